"""`tradewind operator`: settings from file, environment and flags, then the operator."""

from pathlib import Path

from tradewind.cli.ask import Ask
from tradewind.controller.settings import Settings, load_settings


def run(ask: Ask, config: Path | None) -> int:
    """Run the operator until it is told to stop; gives back its exit code.

    Raises:
        ConfigurationError: a setting that cannot be.
    """
    from tradewind.controller.app import main as run_operator  # Kopf and all that it brings

    return run_operator(settings_of(ask, config))


def settings_of(ask: Ask, config: Path | None) -> Settings:
    """The settings; a flag wins over the environment, the environment over the file."""
    settings = load_settings(config)
    said = {
        "kubeconfig": ask.kubeconfig,
        "context": ask.context,
        "namespace": ask.namespace,
    }
    hub = settings.hub.model_copy(update={k: v for k, v in said.items() if v is not None})
    return settings.model_copy(update={"hub": hub})
