"""The whole stack on one machine, without containers.

`python -m services.local up|down|status|env` is the command; the same from Python is
`services.local.stack`:

    env = start_stack(state_dir)                                     every service, free ports
    env = start_stack(state_dir, only={"postgis", "s3", "mongo"})    the three data servers
    stop_stack(state_dir)                                            ends exactly what was started
    remove_stack(state_dir)                                          and deletes its data too

`start_stack` returns when each service has passed its health check; the dict it returns is what
it also wrote to `<state_dir>/stack.env`: every setting of `libs.models.config`, ready for
`os.environ.update`, with the pipeline's keys; those of other users are in files beside it
(`identities`). Any number of stacks live side by side, one a state directory. A second call
starts only what is missing, so a test session may start the data servers first and the rest
later. `environ={}` keeps endpoints that the shell gives (MINIO_ENDPOINT, …) out of it. As root the
clusters of a state directory that user postgres cannot enter (pytest's, for one) live in
/var/lib/postgresql/spatial-etl-*, where only `remove_stack` takes them away.

What belongs here: processes, ports, passwords, health. What does not: the configuration the
servers share with the containers (`services/dagster`, `services/mongodb`, `services/postgis`).
"""
