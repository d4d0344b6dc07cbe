"""Who makes which type of asset, and who takes over: chains of endpoints that somebody has written down.

The nearest word counts: that of the command, of the asset, of the manifest, of ASSETMILL_ROUTES, and at last
IMAGE_GENERATION_PROVIDER. Nobody takes over who is not in the chain. Placeholders and real art are never in one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from assetmill.errors import UsageError
from assetmill.manifest.models import ASSET_TYPES, Asset, Pack
from assetmill.providers.endpoint import DRAFT, Endpoint
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings

ALL_OTHERS = "*"
FORM = "ASSETMILL_ROUTES is written like entity=custom>scenario, *=runpod>scenario"

Chain = tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Routes:
    """Chains of endpoints.

    Args:
        main: who makes what nobody else is named for.
        by_type: asset type -> chain, the first to be asked first.
        by_name: chains of assets that name their provider themselves, by that name.
    """

    main: Endpoint
    by_type: Mapping[str, Chain] = field(default_factory=dict)
    by_name: Mapping[str, Chain] = field(default_factory=dict)

    def of(self, asset: Asset) -> Chain:
        """Chain of an asset."""
        if asset.provider is not None and asset.provider in self.by_name:
            return self.by_name[asset.provider]
        return self.by_type.get(asset.type) or (self.main,)

    @property
    def endpoints(self) -> Chain:
        """All of them, each once, the main one first."""
        chains = (*self.by_type.values(), *self.by_name.values())
        used = [endpoint for chain in chains for endpoint in chain]
        return tuple({endpoint.url: endpoint for endpoint in (used or [self.main])}.values())

    @property
    def name(self) -> str:
        """As runs and reports name it: `runpod`, or `custom, runpod` where several are asked first."""
        firsts = [chain[0].name for chain in (*self.by_type.values(), *self.by_name.values()) if chain]
        return ", ".join(dict.fromkeys(firsts or [self.main.name]))

    @property
    def paid(self) -> bool:
        """Whether any of them may cost money."""
        return any(endpoint.paid for endpoint in self.endpoints)

    def put(self, newer: Mapping[str, Endpoint]) -> Routes:
        """The same with endpoints of which more is known now, by the names that they had."""

        def fresh(chain: Chain) -> Chain:
            return tuple(newer.get(endpoint.name, endpoint) for endpoint in chain)

        return replace(
            self,
            main=newer.get(self.main.name, self.main),
            by_type={name: fresh(chain) for name, chain in self.by_type.items()},
            by_name={name: fresh(chain) for name, chain in self.by_name.items()},
        )


def only(endpoint: Endpoint) -> Routes:
    """One endpoint for everything, and nobody who takes over."""
    return Routes(endpoint)


def routes_for(settings: Settings, pack: Pack, wanted: str | None = None) -> Routes:
    """The chains of a manifest.

    Args:
        settings: the environment.
        pack: resolved manifest.
        wanted: what the command asks for: one endpoint for everything, or several with commas between them, of which
            the later ones take over; None for what the manifest and the settings say.

    Raises:
        UsageError: a name means nothing, or placeholders and real art are asked for in one run.
        ProviderRefused: a key or an id is missing for one that is named.
    """
    known: dict[str, Endpoint] = {}

    def chain(names: Iterable[str]) -> Chain:
        found = [known.setdefault(name, resolve_endpoint(settings, name)) for name in names]
        return tuple({endpoint.url or endpoint.name: endpoint for endpoint in found}.values())

    if wanted is not None:
        forced = chain(_split(wanted, ","))
        if not forced:
            raise UsageError("no endpoint is named", hint="like runpod, or runpod,scenario")
        return _checked(Routes(forced[0], dict.fromkeys(_types(pack), forced) if len(forced) > 1 else {}))
    if settings.provider == DRAFT and not settings.routes:  # drafts are asked for, whatever the manifest would like
        return Routes(resolve_endpoint(settings, DRAFT))
    written, default = read_routes(settings.routes), settings.provider
    names = {name: pack.routing.chain(name) or written.get(name) or written.get(ALL_OTHERS) for name in _types(pack)}
    by_type = {name: chain(names[name] or (default,)) for name in names}
    own: set[str] = {asset.provider for asset in pack.assets if asset.enabled and asset.provider is not None}
    by_name = {name: chain((name,)) for name in sorted(own)}
    main = next(iter(by_type.values()), None) or chain((default,))
    return _checked(Routes(main[0], by_type, by_name))


def read_routes(text: str) -> Mapping[str, tuple[str, ...]]:
    """Read ASSETMILL_ROUTES: asset type, or `*`, -> names.

    Raises:
        UsageError: it cannot be read; the message says which part.
    """
    routes: dict[str, tuple[str, ...]] = {}
    for part in _split(text, ","):
        name, equals, names = (word.strip() for word in part.partition("="))
        chain = _split(names, ">")
        if not equals or not chain or (name not in ASSET_TYPES and name != ALL_OTHERS):
            raise UsageError(
                f"ASSETMILL_ROUTES: {part!r} cannot be read", hint=f"{FORM}; types: {', '.join(ASSET_TYPES)}"
            )
        if name in routes or len(set(chain)) < len(chain):
            raise UsageError(f"ASSETMILL_ROUTES: {part!r} says something twice", hint=FORM)
        routes[name] = chain
    return routes


def _split(text: str, sign: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(sign) if part.strip())


def _types(pack: Pack) -> tuple[str, ...]:
    """Types that the manifest asks for, in the order in which they first come."""
    return tuple(dict.fromkeys(asset.type for asset in pack.assets if asset.enabled))


def _checked(routes: Routes) -> Routes:
    kinds = {endpoint.draft for endpoint in routes.endpoints}
    if len(kinds) > 1:
        names = ", ".join(endpoint.name for endpoint in routes.endpoints)
        raise UsageError(f"placeholders and real art cannot be in one run: {names}", hint="name drafts alone, or none")
    return routes
