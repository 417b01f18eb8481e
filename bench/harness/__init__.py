"""What the commands of bench/ share: servers, samples in namespaces, rounds, statistics, facts."""
