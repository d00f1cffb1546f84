"""Words that nearly every record has, so that they need not be kept in each of them."""

# Deflate looks things up in here; what is nearest to the end is found most cheaply. A record can
# only be read with the very words it was written with: never change them, add others instead.
WORDS = (
    b'"moderation":{"stage":"request","reasons":["Request Moderated","Content Moderated"'
    b'"failure":{"code":"no_final_word","message":"BFL gave no final word before the deadline"'
    b'"code":"expired","message":"the media could not be fetched in time"the URL has died, and '
    b'BFL gave no fresh URL"code":"bfl_error","message":"BFL reported an error""code":"not_media"'
    b'"what":"given up"},{"at":"what":"expired","detail":{"reason":"what":"media refused",'
    b'"what":"rescue put off","detail":{"reason":"what":"replay asked for"},'
    b'"what":"expected"},{"what":"webhook called"},"what":"webhook not reached","detail":{"reason":'
    b'"what":"media deleted","detail":{"files":1}}"deleted_at":"content_type":"video/mp4"'
    b'"content_type":"image/webp""content_type":"image/png"-0.jpg-0.mp4flux-kontext-max'
    b'flux-2-maxflux-2-proflux-2-flexflux-pro-1.1-ultra"caller":{"url":"https://","secret":"'
    b'"request":"notify_url":"https://"reached_at":"https://"ours":true,'
    b'"origin":"https://api.bfl.ai"},"fence":1}"fence":2}"resubmits":1"told":1'
    b'"submitting put off","detail":{"reason":"'
    b'{"id":"","state":"failed","lost","moderated","state":"stored","created_at":17'
    b',"updated_at":17,"deadline":17,"ended_at":17,"task_id":"","source":"poll"'
    b',"source":"replay","source":"callback","model":"flux-","metadata":{"user":"'
    b'"},"polling_url":"https://api.us1.bfl.ai/v1/get_result?id='
    b'"},"polling_url":"https://api.eu2.bfl.ai/v1/get_result?id='
    b'","progress":1.0,"cost":3.0,"megapixels":[0.0,1.0],"result":{"prompt":"'
    b'","seed":,"start_time":17,"end_time":17,"duration":},'
    b'"media":[{"key":"2026/-0.jpg","content_type":"image/jpeg","bytes":1'
    b',"sha256":"","width":1024,"height":1024}],"timeline":[{"at":17,"what":"queued"},{"at":17'
    b',"what":"submitting","detail":{"origin":"https://api.bfl.ai"}},{"at":17'
    b',"what":"submitted","detail":{"task_id":""}},{"at":17'
    b',"what":"callback accepted","detail":{"status":"Ready"}},{"at":17'
    b',"what":"BFL answered","detail":{"status":"Ready"}},{"at":17'
    b',"what":"stored","detail":{"bytes":1}}],"ours":true,"origin":"https://api.bfl.ai","fence":1}'
)
