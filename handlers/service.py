"""The table of pynet's own verbs: what its command asks of the process that serves, on the engine's socket.

No engine calls them. They take no body, and a newer pynet may answer more.
"""

from handlers.schemas import replies
from handlers.verbs import Verb
from plugin.api import Service

SERVICE_VERBS = {
    "Reconcile": Verb(None, Service.reconcile, replies.ReconcileReply, most=1),
    "Status": Verb(None, Service.status, replies.StatusReply, quiet=True, most=4),
}
