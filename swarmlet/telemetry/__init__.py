"""How a daemon shows itself: log lines, metrics, and notes to systemd.

`node` sets all three up and passes the metrics registry around; any room may log through structlog. Nothing here is
global but structlog's own configuration, which `logs.configure` sets once.

    logs.configure(level="info", format="auto")
    registry = metrics.new_registry()
    supervisor = supervision.Supervisor.from_environment(os.environ)
    supervisor.ready("3 nodes")
    await supervisor.run(clock)        # feeds systemd's watchdog; returns at once where there is none
    supervisor.stopping()
"""
