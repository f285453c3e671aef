"""How does a site serve an accelerator class?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SiteHardware:
    """One accelerator class as a site serves it.

    Attributes:
        class_name: of the catalogue.
        vendor: lower case.
        resource_name: by which pods ask for it there.
        node_labels: sets of labels, any of which singles out nodes of the class; may be empty.
        device_class: the DeviceClass to claim devices of, where only DRA serves the class; else
            empty.
        device_selectors: CEL expressions, any of which singles out the class's devices; an empty
            one: every device of the DeviceClass will do.
        runtime_class: the RuntimeClass that pods on such nodes need there; else empty.
    """

    class_name: str
    vendor: str
    resource_name: str
    node_labels: tuple[tuple[tuple[str, str], ...], ...] = ()
    device_class: str = ""
    device_selectors: tuple[str, ...] = ()
    runtime_class: str = ""
