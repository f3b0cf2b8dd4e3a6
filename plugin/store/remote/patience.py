"""How long one question to the cluster store may take, all its attempts included; see ``netlink.deadline``."""

OPERATION = 3.5  # seconds; an election of etcd takes up to two
AFTER_FAILURE = 1.0  # seconds after a question that failed: the store is probably still away
