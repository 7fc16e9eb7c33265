-- wrk: each request creates a run of one core.noop node, which has ended when the 201 comes.
wrk.method = "POST"
wrk.body = '{"workflowId":"bench-noop","inputs":{}}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer bench-key"
