"""The time that the cluster store may take, all attempts included; see ``netlink.deadline``."""

REQUEST = 4.0  # seconds for all operations of one request: a join without the store fails within five
OPERATION = 3.5  # seconds for one operation; an election of etcd takes up to two
AFTER_FAILURE = 1.0  # seconds after an operation that failed: the store is probably still away
