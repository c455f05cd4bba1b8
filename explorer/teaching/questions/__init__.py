"""What the lesson asks, a file for each leg: client, service, routes, controller, compute_api, conductor_api, rpc, closing."""
