"""The names of Redis keys, which only the files around the store may use.

`fluxkeep:job:<id>` record · `fluxkeep:due` when each unfinished job must be looked at ·
`fluxkeep:waiting` work for workers, most urgent first · `fluxkeep:jobs:<state>` ids by creation ·
`fluxkeep:refusals:<id>` callbacks that proved nothing · `fluxkeep:counts` counters ·
`fluxkeep:seen` heartbeats · `fluxkeep:trouble:<part>` why a part refused.
"""

RECORDS = "fluxkeep:job:"
DUE = "fluxkeep:due"
WAITING = "fluxkeep:waiting"
REFUSALS = "fluxkeep:refusals:"
COUNTS = "fluxkeep:counts"
SEEN = "fluxkeep:seen"
TROUBLE = "fluxkeep:trouble:"
INDEX = "fluxkeep:jobs:"
