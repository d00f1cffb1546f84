"""The names of Redis keys, which only the files around the store may use.

`fluxkeep:job:<id>` record · `fluxkeep:task:<task id>` the id of the job BFL calls that ·
`fluxkeep:input:<id>` what is to be submitted · `fluxkeep:forgotten:<id>` a job whose callback is
not wanted any more · `fluxkeep:due` when each unfinished job must be looked at ·
`fluxkeep:waiting` work for workers, most urgent first · `fluxkeep:line:<model>` who waits for a
slot · `fluxkeep:lines` the models somebody waits for · `fluxkeep:active` and
`fluxkeep:active:<model>` who has a slot · `fluxkeep:sending` whose submission is under way ·
`fluxkeep:erring:<model>` whose submissions got a 500 since one went well · `fluxkeep:pauses` why
and until when nothing is submitted · `fluxkeep:notices` who must be told of an end ·
`fluxkeep:jobs:<state>` ids by creation · `fluxkeep:refusals:<id>` callbacks that proved nothing ·
`fluxkeep:counts` counters · `fluxkeep:seen` heartbeats · `fluxkeep:trouble:<part>` why a part
refused.
"""

RECORDS = "fluxkeep:job:"
TASKS = "fluxkeep:task:"
INPUTS = "fluxkeep:input:"
FORGOTTEN = "fluxkeep:forgotten:"
DUE = "fluxkeep:due"
WAITING = "fluxkeep:waiting"
LINE = "fluxkeep:line:"
LINES = "fluxkeep:lines"
ACTIVE = "fluxkeep:active"
SENDING = "fluxkeep:sending"
ERRING = "fluxkeep:erring:"
PAUSES = "fluxkeep:pauses"
NOTICES = "fluxkeep:notices"
REFUSALS = "fluxkeep:refusals:"
COUNTS = "fluxkeep:counts"
SEEN = "fluxkeep:seen"
TROUBLE = "fluxkeep:trouble:"
INDEX = "fluxkeep:jobs:"
