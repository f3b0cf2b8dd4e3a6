"""The time that the cluster store may take, all attempts included; see ``netlink.deadline``."""

REQUEST = 4.0  # seconds for all questions of one request: a join without the store fails within five
OPERATION = 3.5  # seconds for one question; an election of etcd takes up to two
AFTER_FAILURE = 1.0  # seconds after a question that failed: the store is probably still away
