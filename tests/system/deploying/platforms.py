"""Schemas of Heroku, Render, Fly, Railway and KEDA files, which no package provides.

Written down from their documents for the parts that are used here; a name that is not among them
is a mistake. Heroku: devcenter "app.json Schema". Render: "Blueprint YAML Reference". Fly: "App
configuration (fly.toml)". Railway: "Config as Code", whose durations are numbers. KEDA:
"ScaledObject specification" and "Metrics API".
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
TEXTS: Schema = {"type": "array", "items": TEXT}
YES_NO: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 1}
DURATION: Schema = {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"}
VARIABLE = "^[A-Z][A-Z0-9_]*$"


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def shape(required: str = "", /, **properties: Schema) -> Schema:
    """An object with these names and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def named(names: str, value: Schema) -> Schema:
    """An object of any names that look like this."""
    return {"type": "object", "patternProperties": {names: value}, "additionalProperties": False}


def some(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


HEROKU = shape(
    name={"type": "string", "maxLength": 30},
    description=TEXT,
    keywords=TEXTS,
    stack=one_of("heroku-22", "heroku-24", "container"),
    buildpacks=some(shape("url", url=TEXT)),
    addons=some(shape("plan", plan={"pattern": "^[a-z-]+:[a-z0-9-]+$"}, **{"as": TEXT})),
    formation=named(
        "^[a-z]+$",
        shape("quantity", quantity=COUNT, size=one_of("basic", "standard-1x", "standard-2x")),
    ),
    env=named(
        VARIABLE,
        shape(
            "description",
            description=TEXT,
            value=TEXT,
            required=YES_NO,
            generator=one_of("secret"),
        ),
    ),
)

_RENDER_VARIABLE: Schema = {
    "oneOf": [
        shape("fromGroup", fromGroup=TEXT),
        shape("key value", key={"pattern": VARIABLE}, value=TEXT),
        shape("key generateValue", key={"pattern": VARIABLE}, generateValue={"const": True}),
        shape("key sync", key={"pattern": VARIABLE}, sync={"const": False}),
        shape(
            "key fromService",
            key={"pattern": VARIABLE},
            fromService={
                "oneOf": [
                    shape("type name property", type=TEXT, name=TEXT, property=TEXT),
                    shape("type name envVarKey", type=TEXT, name=TEXT, envVarKey=TEXT),
                ]
            },
        ),
    ]
}
_RENDER_PROCESS: dict[str, Schema] = {
    "name": TEXT,
    "runtime": one_of("docker"),
    "plan": one_of("starter", "standard", "pro"),  # the free one sleeps
    "dockerfilePath": TEXT,
    "dockerContext": TEXT,
    "dockerCommand": TEXT,
    "preDeployCommand": TEXT,
    "maxShutdownDelaySeconds": {"type": "integer", "minimum": 1, "maximum": 300},
    "envVars": some(_RENDER_VARIABLE),
}
RENDER = shape(
    "services",
    # A group knows neither `sync` nor other services.
    envVarGroups=some(
        shape("name envVars", name=TEXT, envVars=some({"oneOf": _RENDER_VARIABLE["oneOf"][1:3]}))
    ),
    services=some(
        {
            "oneOf": [
                shape(
                    "type name runtime dockerCommand envVars healthCheckPath",
                    type=one_of("web"),
                    healthCheckPath=TEXT,
                    **_RENDER_PROCESS,
                ),
                shape(
                    "type name runtime dockerCommand envVars",
                    type=one_of("worker"),
                    **_RENDER_PROCESS,
                ),
                shape(
                    "type name ipAllowList",
                    type=one_of("keyvalue"),
                    name=TEXT,
                    plan=one_of("starter", "standard", "pro"),
                    maxmemoryPolicy=one_of("noeviction"),
                    ipAllowList={"type": "array"},
                ),
            ]
        }
    ),
)

_FLY_PROCESSES = TEXTS
FLY = shape(
    "app primary_region processes",
    app=TEXT,
    primary_region={"pattern": "^[a-z]{3}$"},
    kill_signal=one_of("SIGTERM", "SIGINT"),
    kill_timeout={"type": "integer", "minimum": 1, "maximum": 300},
    build=shape("dockerfile", dockerfile=TEXT, ignorefile=TEXT),
    deploy=shape(release_command=TEXT, strategy=one_of("rolling", "bluegreen", "canary")),
    env=named(VARIABLE, TEXT),
    processes=named("^[a-z]+$", TEXT),
    http_service=shape(
        "internal_port processes",
        processes=_FLY_PROCESSES,
        internal_port=COUNT,
        force_https=YES_NO,
        auto_stop_machines=one_of("off", "stop", "suspend"),
        auto_start_machines=YES_NO,
        min_machines_running=COUNT,
        concurrency=shape(
            "type", type=one_of("connections", "requests"), soft_limit=COUNT, hard_limit=COUNT
        ),
        checks=some(
            shape(
                "path",
                method=one_of("GET"),
                path=TEXT,
                interval=DURATION,
                timeout=DURATION,
                grace_period=DURATION,
            )
        ),
    ),
    restart=some(
        shape("policy", policy=one_of("always", "on-failure", "never"), processes=_FLY_PROCESSES)
    ),
    vm=some(
        shape(
            "size",
            size={"pattern": "^(shared-cpu|performance)-[1-8]x$"},
            memory={"pattern": "^[0-9]+(mb|gb)$"},
            processes=_FLY_PROCESSES,
        )
    ),
)

RAILWAY = shape(
    "build deploy",
    **{"$schema": {"const": "https://railway.com/railway.schema.json"}},
    build=shape(
        "builder dockerfilePath", builder=one_of("DOCKERFILE", "RAILPACK"), dockerfilePath=TEXT
    ),
    deploy=shape(
        "startCommand",
        startCommand=TEXT,
        preDeployCommand=some(TEXT),
        healthcheckPath=TEXT,
        healthcheckTimeout=COUNT,
        overlapSeconds=COUNT,
        drainingSeconds=COUNT,
        restartPolicyType=one_of("ALWAYS", "ON_FAILURE", "NEVER"),
        sleepApplication=YES_NO,
    ),
)

_STABILIZATION = shape(
    "stabilizationWindowSeconds",
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
)
KEDA = shape(
    "apiVersion kind metadata spec",
    apiVersion=one_of("keda.sh/v1alpha1"),
    kind=one_of("ScaledObject"),
    metadata=shape("name", name=TEXT),
    spec=shape(
        "scaleTargetRef triggers",
        scaleTargetRef=shape("name", name=TEXT),
        minReplicaCount=COUNT,
        maxReplicaCount=COUNT,
        pollingInterval=COUNT,
        cooldownPeriod=COUNT,
        advanced=shape(
            horizontalPodAutoscalerConfig=shape(
                behavior=shape(scaleUp=_STABILIZATION, scaleDown=_STABILIZATION)
            )
        ),
        triggers=some(
            shape(
                "type metadata",
                type=one_of("metrics-api"),
                name=TEXT,
                metricType=one_of("AverageValue", "Value"),
                metadata=shape(
                    "url valueLocation targetValue",
                    url=TEXT,
                    format=one_of("json", "prometheus"),
                    valueLocation=TEXT,
                    targetValue={"type": "string", "pattern": "^[0-9]+$"},
                ),
            )
        ),
    ),
)
