"""Who answers a Scenario, in reading order: running, cloud, client, runner, miniature, seeds, http_server, recordings, real_nova, in_nova."""
