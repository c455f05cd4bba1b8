"""The engines, which answer a Scenario.

Reading order: running, cloud, client, runner, miniature, seeds, http_server, recordings, real_nova, in_nova.
"""
