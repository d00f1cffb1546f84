"""Redis keys. Only this package may use them.

A name that ends in `_PREFIX` is completed by an id or a name; the others are whole keys. Scores
and times are unix seconds of the Redis clock.
"""

# Strings
RECORD_PREFIX = "fluxkeep:job:"  # + job id: its record
TASK_PREFIX = "fluxkeep:task:"  # + BFL's task id: the id of its job
# + id of a job or of its task: empty if it was deleted, its status if only the archive has it
TOMBSTONE_PREFIX = "fluxkeep:tombstone:"
STRICT_MODEL_PREFIX = "fluxkeep:strict_model:"  # + model whose input takes no webhook
PROBLEM_PREFIX = "fluxkeep:problem:"  # + component: why it failed a moment ago
RATE_PREFIX = "fluxkeep:rate:"  # + quota and key name: when the whole quota is back
WRONG_KEYS_PREFIX = "fluxkeep:wrong_keys:"  # + client address: likewise for wrong keys
KNOWN_CLIENT_PREFIX = "fluxkeep:known_client:"  # + client address and key name that were valid
USED_LOGIN_PREFIX = "fluxkeep:login:"  # + id of a login link that was used
ENDED_SESSION_PREFIX = "fluxkeep:ended_session:"  # + id of a dashboard session that was ended
BFL_SCHEMAS = "fluxkeep:bfl_schemas"  # of BFL's OpenAPI document, and what changed in it
BFL_SCHEMAS_READ = "fluxkeep:bfl_schemas:read"  # until that document is read again
PROBE_PREFIX = "fluxkeep:probe:"  # + type: written and deleted by a check
RQ_PROBE_PREFIX = "rq:fluxkeep_probe:"  # as PROBE_PREFIX, under the names of RQ
ACL_RULES = "~fluxkeep:* ~rq:* +@all -@dangerous +info"  # of a user of Redis, enough for all
BARRIER = "fluxkeep:barrier"  # written to wait until earlier writes are durable

# Sorted sets of job ids: work, by the time at which it is due
DUE = "fluxkeep:due"  # every job that has not ended, by its next check
PENDING_RESCUES = "fluxkeep:pending_rescues"  # by the expiry of their URLs
PENDING_POLLS = "fluxkeep:pending_polls"
NOTIFICATIONS = "fluxkeep:notifications"
THUMBNAILS = "fluxkeep:thumbnails"
PRICE_POLLS = "fluxkeep:price_polls"  # ended jobs, by when BFL is asked what they cost

# Sorted sets of job ids: submissions
# Jobs that wait for a concurrency slot, by age; + model, and of those that wait for a budget the
# reserve ("?" if no price is known) and the key name, between tabs; the reserve is empty for those
# that wait for an API key that was removed from the settings
QUEUE_PREFIX = "fluxkeep:queue:"
ACTIVE = "fluxkeep:active"  # jobs in a slot, by deadline; with ":" + model, those of one model
IN_FLIGHT = "fluxkeep:in_flight"  # submissions that BFL has not answered yet, by their start
AWAITING_PREFIX = "fluxkeep:awaiting:"  # + key name: jobs that wait for its budget
# + key name: jobs of unknown price that hold what was left of its budget, and those that ended
UNPRICED_PREFIX = "fluxkeep:unpriced:"
UNPRICED_ENDED_PREFIX = "fluxkeep:unpriced_ended:"
ANNOUNCED_PREFIX = "fluxkeep:announced:"  # + key name: jobs it announced, until BFL confirms

# Sorted sets of job ids: what the API lists, by creation
STATUS_PREFIX = "fluxkeep:jobs:"  # + status
BY = "fluxkeep:by:"
BY_MODEL = f"{BY}model:"  # + model
BY_SOURCE = f"{BY}source:"  # + source
BY_META = f"{BY}meta:"  # + name=value of an indexed metadata entry
BY_REPEATS = f"{BY}repeats:"  # + id of the job that is repeated
BY_KEY = f"{BY}key:"  # + name of the API key, ":" and status
BY_UNINDEXED = f"{BY}unindexed"  # jobs with further metadata entries

# Sorted sets for retention, by the end of the job
ENDED = "fluxkeep:ended"  # jobs without media
ENDED_MEDIA = "fluxkeep:ended:media"  # jobs with media
ORPHANS = "fluxkeep:orphans"  # object keys whose job record is gone
ERASURES = "fluxkeep:erasures"  # jobs deleted without a record, by the next day to search
SUPERSEDED = "fluxkeep:superseded"  # jobs of which an earlier worker may have left objects
# Sorted set of notes by the next look: deleted jobs of which objects may still be written
LATE_OBJECTS = "fluxkeep:late_objects"

# Sorted sets for the archive
ARCHIVE_DUE = "fluxkeep:archive_due"  # ended jobs, by when the sweep looks at them next
# Ended jobs, by when Redis first saw their rows proven: they may be evicted HOT_DAYS later
ARCHIVE_PROVEN = "fluxkeep:archive_proven"
ARCHIVE_REFUSED = "fluxkeep:archive_refused"  # those of them whose rows could not be written
DELETIONS = "fluxkeep:deletions"  # deleted jobs, by the microsecond: their rows do not count
# Numbers of the jobs that only the archive has, by status, and by status and key; times
COLD = "fluxkeep:cold"

# Sorted set by the time at which to look: job id and keys of objects of its input, with spaces, or
# of objects that only a record named which gave way to its row
INPUT_NOTES = "fluxkeep:input_notes"  # no record may name them, or their job may be done with them

# Sorted set of bodies by their arrival, each led by the job of its token and a space
HELD_CALLBACKS = "fluxkeep:held_callbacks"  # the archive must say first whether they come late

# List of what the callbacks of `doctor --try-bfl` looked like; + id of its job
CALLBACK_TRIAL_PREFIX = "fluxkeep:callback_trial:"

# Sorted sets of origins by the time at which each was last seen
TASK_HOSTS = "fluxkeep:bfl_hosts"  # API hosts that BFL has named
ANNOUNCED_TASK_HOSTS = "fluxkeep:bfl_hosts:announced"  # those that callers have named

# Batches
BATCHES = "fluxkeep:batches"  # sorted set of the ids that are kept, by their beginning
BATCHES_UNDER_WAY = "fluxkeep:batches:under_way"  # set of ids
BATCH_PREFIX = "fluxkeep:batch:"  # + id: hash of JSON values

# Other structures
# Sorted sets by the end of the job, of all jobs, and with ":" and its name of those of an API key
UNKEPT = "fluxkeep:unkept"  # paid jobs whose media were not kept
UNKEPT_UNPRICED = "fluxkeep:unkept_unpriced"  # as UNKEPT, of jobs whose price is not known
# + period, its begin and key name: hash of what its jobs have spent and reserved, likewise
BUDGET_PREFIX = "fluxkeep:budget:"
PRICES_PREFIX = "fluxkeep:prices:"  # + model: hash of its last prices by class, likewise
COSTS_PREFIX = "fluxkeep:costs:"  # + day: hash of 1/10000 credits by model and key
QUEUES = "fluxkeep:queues"  # set: keys of the submission queues that are not empty
CIRCUITS = "fluxkeep:circuits"  # hash: open circuit breakers by model, or "*"
COUNTERS = "fluxkeep:counters"  # hash
HEARTBEATS = "fluxkeep:heartbeats"  # hash: time of the last heartbeat by kind of process
EVENTS = "fluxkeep:events"  # stream: job id and status of each visible change
REFUSED_CALLBACKS_PREFIX = "fluxkeep:refused_callbacks:"  # list; + job id the callback named
