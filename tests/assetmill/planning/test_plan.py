"""A plan says what would run and why, from manifest and books alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from assetmill.errors import UsageError
from assetmill.ledger import Details, OpenAttempt, Picture
from assetmill.manifest import load_pack
from assetmill.planning.history import NOTHING, History
from assetmill.planning.plan import Plan, Selection, State
from assetmill.planning.planner import make_plan
from assetmill.providers.endpoint import Endpoint
from assetmill.workflows.library import load_library

LIBRARY = load_library()
DRAFT = Endpoint("draft", "draft", "", None, "draft-1", 3, Decimal(0), "local draft endpoint")
GPU = Endpoint("runpod", "runpod", "https://x.invalid/v2/e", None, "flux", 3, Decimal("0.0003"), "list price, 2026")
HEAD = "version: 1\ngame: {id: g, title: G}\npack: {id: p, name: P, seed: 5, palette: ['#112233']}\n"
ASSETS = """assets:
  - {id: slime, type: entity, prompt: a slime, shape: circle}
  - {id: elite, type: entity, prompt: an elite slime, references: [slime]}
  - {id: hills, type: parallax, prompt: hills, layer_count: 3}
  - {id: sky, type: background, prompt: a sky}
"""


@pytest.fixture
def pack_of(tmp_path):
    def make(assets: str = ASSETS, head: str = HEAD):
        (tmp_path / "m.yaml").write_text(head + assets)
        return load_pack(Path(tmp_path / "m.yaml"))

    return make


def plan(pack, history: History = NOTHING, endpoint: Endpoint = DRAFT, **options: object) -> Plan:
    return make_plan(pack, history, endpoint, LIBRARY, **options)  # type: ignore[arg-type]  # passed through


def books(done: Plan, *, finished: bool = True) -> History:
    """Books in which every picture of a plan is kept, and finished as it is planned."""
    pictures, details, verdicts = [], {}, {}
    for number, item in enumerate(done.items):
        if item.made is None:
            continue
        name = f"a{number}"
        pictures.append(Picture(name, item.asset.id, item.candidate, item.made.fingerprint, done.endpoint.draft))
        import orjson  # noqa: PLC0415  only here

        details[name] = Details(name, orjson.dumps(item.made.fields).decode(), "{}")
        if finished:
            verdicts[name, item.finish_fingerprint] = None
    return History(
        by_fingerprint={p.fingerprint: p for p in pictures},
        latest={(p.asset_id, p.candidate): p for p in pictures},
        verdicts=verdicts,
        load_details=lambda: details,
    )


def states(made: Plan) -> dict[str, State]:
    return {item.asset.id: item.state for item in made.items}


def by_id(made: Plan):
    return {item.asset.id: item for item in made.items}


def test_everything_is_new_at_first_and_cached_afterwards(pack_of):
    pack = pack_of()
    first = plan(pack)
    assert set(states(first).values()) == {State.NEW}
    again = plan(pack, books(first))
    assert set(states(again).values()) == {State.CACHED}
    assert again.to_pay == ()
    assert again.to_refinish == ()


@pytest.mark.parametrize(
    ("before", "after", "asset", "fields"),
    (
        ("prompt: a sky", "prompt: a night sky", "sky", ("prompt",)),
        ("shape: circle", "shape: ellipse", "slime", ("guide.shape", "prompt")),
        ("prompt: a sky", "prompt: a sky, seed: 9", "sky", ("seed",)),
        ("prompt: a sky", "prompt: a sky, width: 1088", "sky", ("height", "width")),
        ("prompt: hills", "prompt: hills, negative_prompt: fog", "hills", ("cfg", "negative_prompt")),
    ),
)
def test_a_change_is_planned_for_that_asset_alone_and_named(pack_of, before, after, asset, fields):
    history = books(plan(pack_of()))
    made = plan(pack_of(ASSETS.replace(before, after)), history)
    item = by_id(made)[asset]
    assert item.state is State.CHANGED
    assert item.changed == fields
    touched = {name for name, state in states(made).items() if state is not State.CACHED}
    assert touched == ({"slime", "elite"} if asset == "slime" else {asset})


def test_what_is_drawn_from_a_changed_picture_says_so(pack_of):
    history = books(plan(pack_of()))
    made = plan(pack_of(ASSETS.replace("prompt: a slime", "prompt: a blue slime")), history)
    assert by_id(made)["elite"].changed == ("reference",)


@pytest.mark.parametrize(
    "option",
    ("post: {trim: true}", "post: {palette: pack}", "post: {pixel_scale: 4}", "export: [png]"),
)
def test_a_finishing_option_plans_no_paid_work(pack_of, option):
    history = books(plan(pack_of()))
    made = plan(pack_of(ASSETS.replace("shape: circle", f"shape: circle, {option}")), history)
    assert made.to_pay == ()
    assert [item.asset.id for item in made.to_refinish] == ["slime"]


def test_tags_and_order_change_nothing(pack_of):
    history = books(plan(pack_of()))
    lines = ASSETS.splitlines()
    shuffled = "\n".join([lines[0], *reversed(lines[1:])]).replace("prompt: a sky", "prompt: a sky, tags: [x]") + "\n"
    made = plan(pack_of(shuffled), history)
    assert (made.to_pay, made.to_refinish) == ((), ())


def test_a_theme_or_a_style_reaches_every_prompt(pack_of):
    history = books(plan(pack_of()))
    made = plan(pack_of(head=HEAD.replace("seed: 5", "seed: 5, theme: under the sea")), history)
    assert set(states(made).values()) == {State.CHANGED}


def test_a_locked_asset_is_never_generated_again_and_says_what_it_ignores(pack_of):
    history = books(plan(pack_of()))
    text = ASSETS.replace("prompt: a sky", "prompt: a storm, locked: true")
    item = by_id(plan(pack_of(text), history))["sky"]
    assert (item.state, item.reason) == (State.CACHED, "locked; would change prompt")
    assert by_id(plan(pack_of(text)))["sky"].state is State.NEW, "there is nothing to keep yet"


def test_a_disabled_asset_is_left_out_and_blocks_what_is_drawn_from_it(pack_of):
    made = plan(pack_of(ASSETS.replace("shape: circle", "shape: circle, enabled: false")))
    assert "disabled" in by_id(made)["elite"].reason
    assert by_id(made)["elite"].state is State.BLOCKED


def test_a_road_that_does_not_exist_is_blocked_with_its_reason(pack_of):
    made = plan(pack_of(ASSETS.replace("layer_count: 3", "layer_count: 3, workflow: parallax-by-hand")))
    item = by_id(made)["hills"]
    assert item.state is State.BLOCKED
    assert "parallax-by-hand" in item.reason


def test_an_open_attempt_is_open_and_not_paid_again(pack_of):
    first = plan(pack_of())
    made = by_id(first)["sky"].made
    open_attempt = OpenAttempt.__new__(OpenAttempt)
    for name, value in (("attempt_id", "a1"), ("job_id", "job-7"), ("fingerprint", made.fingerprint)):
        object.__setattr__(open_attempt, name, value)
    item = by_id(plan(pack_of(), History(open={made.fingerprint: open_attempt})))["sky"]
    assert item.state is State.OPEN
    assert "job-7" in item.reason
    assert item not in plan(pack_of(), History(open={made.fingerprint: open_attempt})).to_pay


def test_a_rejected_picture_is_not_bought_again(pack_of):
    history = books(plan(pack_of()))
    verdicts = dict.fromkeys(history.verdicts, "empty")
    made = plan(pack_of(), replace(history, verdicts=verdicts))
    assert made.to_pay == ()
    assert {item.rejected for item in made.items} == {"empty"}


def test_drafts_and_real_pictures_have_different_fingerprints(pack_of):
    drafts = {item.made.fingerprint for item in plan(pack_of()).items}
    real = {item.made.fingerprint for item in plan(pack_of(), endpoint=GPU).items}
    assert not drafts & real


def test_candidates_have_their_own_seeds_and_the_first_keeps_its_own(pack_of):
    one = plan(pack_of()).items
    more = plan(pack_of(ASSETS.replace("prompt: a sky", "prompt: a sky, candidates: 3")), books(plan(pack_of())))
    sky = [item for item in more.items if item.asset.id == "sky"]
    assert [item.state for item in sky] == [State.CACHED, State.NEW, State.NEW]
    assert len({item.made.seed for item in sky}) == 3
    assert sky[0].made.seed == next(item.made.seed for item in one if item.asset.id == "sky")


def test_a_selection_brings_what_it_is_drawn_from(pack_of):
    made = plan(pack_of(), selection=Selection(only=("elite",)))
    assert set(states(made)) == {"elite", "slime"}
    assert set(states(plan(pack_of(), selection=Selection(types=("background",))))) == {"sky"}


@pytest.mark.parametrize("selection", (Selection(only=("nobody",)), Selection(types=("entiti",))))
def test_a_selection_of_what_is_not_there_is_refused(pack_of, selection):
    with pytest.raises(UsageError):
        plan(pack_of(), selection=selection)


def test_style_anchors_come_first_and_workflows_stay_together(pack_of):
    text = ASSETS.replace("prompt: a sky", "prompt: a sky, is_style_anchor: true")
    order = [item.made.workflow for item in plan(pack_of(text)).items]
    assert order[0] == "background"
    assert order[1:] == sorted(order[1:])


def test_a_known_price_gives_a_range_and_an_unknown_one_stays_unknown(pack_of):
    known = plan(pack_of(), endpoint=GPU).total.cost
    assert Decimal(0) < known.low < known.estimate < known.high
    unknown = plan(pack_of(), endpoint=replace(GPU, usd_per_s=None)).total.cost
    assert (unknown.low, unknown.estimate, unknown.high) == (None, None, None)


def test_the_costs_of_the_pictures_add_up_to_that_of_the_plan(pack_of):
    made = plan(pack_of(), endpoint=GPU)
    assert made.total.jobs == len(made.to_pay) == 4
    for bound in ("low", "estimate"):
        together = sum(getattr(item.cost, bound) for item in made.to_pay)
        assert abs(together - getattr(made.total.cost, bound)) <= Decimal("0.0000001")
    assert max(item.cost.high for item in made.to_pay) < made.total.cost.high


def test_a_picture_that_is_out_has_a_cost_should_it_be_lost_and_is_no_part_of_the_total(pack_of):
    first = plan(pack_of(), endpoint=GPU)
    made = by_id(first)["sky"].made
    waiting = OpenAttempt.__new__(OpenAttempt)
    for name, value in (("attempt_id", "a1"), ("job_id", "job-7"), ("fingerprint", made.fingerprint)):
        object.__setattr__(waiting, name, value)
    after = plan(pack_of(), History(open={made.fingerprint: waiting}), GPU)
    sky = by_id(after)["sky"]
    assert sky.state is State.OPEN
    assert sky.cost.estimate > 0
    assert sky.seconds.estimate == by_id(first)["sky"].seconds.estimate
    assert after.total.jobs == 3
    assert after.total.cost.estimate < first.total.cost.estimate


def test_a_disabled_reference_is_not_paid_for_on_behalf_of_what_needs_it(pack_of):
    made = plan(pack_of(ASSETS.replace("shape: circle", "shape: circle, enabled: false")))
    assert "slime" not in by_id(made)
    assert by_id(made)["elite"].state is State.BLOCKED


def test_what_is_drawn_from_a_locked_picture_does_not_change_with_its_prompt(pack_of):
    history = books(plan(pack_of()))
    made = plan(pack_of(ASSETS.replace("prompt: a slime", "prompt: a blue slime, locked: true")), history)
    assert by_id(made)["slime"].reason.startswith("locked")
    assert by_id(made)["elite"].state is State.CACHED, "the picture that it is drawn from is the same"


@pytest.mark.parametrize(
    ("asset", "words"),
    (
        ("{id: a, type: entity, prompt: a, workflow: parallax-depth}", "image"),
        ("{id: a, type: parallax, prompt: a, layer_count: 3, workflow: txt2img}", "far, mid, near"),
        ("{id: a, type: parallax, prompt: a, layer_count: 5, method: per_layer, workflow: parallax-depth}", "layer_4"),
    ),
)
def test_what_could_not_be_published_afterwards_is_blocked_before_it_is_paid(pack_of, asset, words):
    item = by_id(plan(pack_of(f"assets:\n  - {asset}\n")))["a"]
    assert item.state is State.BLOCKED
    assert words in item.reason
