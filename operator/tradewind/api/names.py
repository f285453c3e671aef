"""Names that stand in objects of more than one cluster: group, labels, annotations, managers.

They are a contract with every object that Tradewind ever made: changing one orphans running work.
"""

from typing import Final

GROUP: Final = "tradewind.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

#: The neutral resource a template asks chips by; dispatch turns it into the site's own name.
NEUTRAL_ACCELERATOR: Final = f"{GROUP}/accelerator"

#: Holds a hub object until its children at the sites are gone.
FINALIZER: Final = f"{GROUP}/dispatched"

# On member objects. Together they say whose an object is, without a look at the hub.
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "tradewind"
LABEL_HUB_ID: Final = f"{GROUP}/hub-id"
LABEL_WORKLOAD_UID: Final = f"{GROUP}/workload-uid"
LABEL_EPOCH: Final = f"{GROUP}/epoch"
ANNOTATION_WORKLOAD: Final = f"{GROUP}/workload"
ANNOTATION_SPEC_HASH: Final = f"{GROUP}/spec-hash"

#: Node labels in one language for every maker's chips.
ACCELERATOR_LABEL_PREFIX: Final = f"accelerator.{GROUP}"
#: A node's operator names the class of its accelerators; read, never written.
ANNOTATION_OVERRIDE: Final = f"{ACCELERATOR_LABEL_PREFIX}/override"
LABEL_ACCELERATOR_CLASS: Final = f"{ACCELERATOR_LABEL_PREFIX}/class"
LABEL_ACCELERATOR_VENDOR: Final = f"{ACCELERATOR_LABEL_PREFIX}/vendor"

# Server-side apply managers: one for each sort of write, so that none takes another's fields away.
MANAGER_DISPATCH: Final = "tradewind"
MANAGER_STATUS: Final = "tradewind-status"
MANAGER_FINALIZER: Final = "tradewind-finalizer"
MANAGER_LABELLER: Final = "tradewind-labeller"
