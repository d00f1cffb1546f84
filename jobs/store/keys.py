"""The names of Redis keys, which only the files around the store may use.

`fluxkeep:job:<id>` record · `fluxkeep:task:<task id>` the id of the job BFL calls that ·
`fluxkeep:input:<id>` what is to be submitted · `fluxkeep:inputs` bytes of those that wait ·
`fluxkeep:expected:<key name>` jobs that a key announced and BFL has never confirmed ·
`fluxkeep:forgotten:<id>` a job or task that was deleted · `fluxkeep:due` when each
unfinished job must be looked at · `fluxkeep:waiting` rescues that wait for a worker, most urgent
first · `fluxkeep:polls` jobs that BFL must be asked about ·
`fluxkeep:line:<model>` who waits for a slot · `fluxkeep:lines` the models somebody waits for ·
`fluxkeep:active` and `fluxkeep:active:<model>` who has a slot · `fluxkeep:sending` whose
submission is under way · `fluxkeep:strict:<model>` models that refuse a webhook ·
`fluxkeep:pauses` why and until when nothing is submitted · `fluxkeep:notices` who must be
told of an end · `fluxkeep:drawings` whose thumbnails are to be drawn · `fluxkeep:jobs:<state>`
ids by creation · `fluxkeep:by:model:<model>`, `fluxkeep:by:source:<source>` and
`fluxkeep:by:meta:<name>=<value>` the same by what jobs are searched for · `fluxkeep:by:more` those
whose metadata are not all there · `fluxkeep:events` which jobs changed · `fluxkeep:ended` and
`fluxkeep:ended:media` terminal jobs, without and with media, by their end · `fluxkeep:left`
objects that outlived their record, by its end · `fluxkeep:refusals:<id>` callbacks that proved
nothing · `fluxkeep:counts` counters · `fluxkeep:minutes` what they were, minute by minute ·
`fluxkeep:seen` heartbeats · `fluxkeep:trouble:<part>` why a part refused ·
`fluxkeep:rate:<name>` when a key's requests are all back · `fluxkeep:guesses:<address>` the same
of wrong keys · `fluxkeep:met:<address> <name>` who has shown that key from there ·
`fluxkeep:barrier` written to wait for all that was written before it ·
`fluxkeep:login:<id>` login links that were used.
"""

BARRIER = "fluxkeep:barrier"
RECORDS = "fluxkeep:job:"
TASKS = "fluxkeep:task:"
INPUTS = "fluxkeep:input:"
SIZES = "fluxkeep:inputs"
EXPECTED = "fluxkeep:expected:"
FORGOTTEN = "fluxkeep:forgotten:"
DUE = "fluxkeep:due"
WAITING = "fluxkeep:waiting"
POLLS = "fluxkeep:polls"
LINE = "fluxkeep:line:"
LINES = "fluxkeep:lines"
ACTIVE = "fluxkeep:active"
SENDING = "fluxkeep:sending"
STRICT = "fluxkeep:strict:"
PAUSES = "fluxkeep:pauses"
NOTICES = "fluxkeep:notices"
DRAWINGS = "fluxkeep:drawings"
REFUSALS = "fluxkeep:refusals:"
COUNTS = "fluxkeep:counts"
MINUTES = "fluxkeep:minutes"
SEEN = "fluxkeep:seen"
TROUBLE = "fluxkeep:trouble:"
INDEX = "fluxkeep:jobs:"
ENDED = "fluxkeep:ended"
ENDED_MEDIA = "fluxkeep:ended:media"
LEFT = "fluxkeep:left"
BY = "fluxkeep:by:"
BY_MODEL = f"{BY}model:"
BY_SOURCE = f"{BY}source:"
BY_META = f"{BY}meta:"
BY_MORE = f"{BY}more"
EVENTS = "fluxkeep:events"
RATES = "fluxkeep:rate:"
GUESSES = "fluxkeep:guesses:"
LOGINS = "fluxkeep:login:"
ACQUAINTED = "fluxkeep:met:"
