-- wrk: reads the run that OPENWOP_BENCH_RUN names.
wrk.path = "/v1/runs/" .. os.getenv("OPENWOP_BENCH_RUN")
wrk.headers["Authorization"] = "Bearer bench-key"
