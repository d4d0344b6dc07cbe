"""Each file is picked up once, in the order in which its versions came, whatever lies beside it."""

import os

import pytest

from assetmill.submissions import ingest
from assetmill.submissions.keys import id_of, is_id, slug_of, slug_of_id


def test_a_file_is_picked_up_once_and_its_bytes_are_kept_as_they_came(any_studio, text):
    any_studio.drop("my-game.yaml", text())
    first, second = ingest(any_studio.desk()), ingest(any_studio.desk())
    record = any_studio.only()
    assert [one.id for one in first.taken] == [record.id]
    assert (second.taken, second.examined) == ((), ())
    assert record.id == id_of("my-game", record.sha256, 1)
    key = record.manifest.removeprefix("store:")
    assert any_studio.store.get(key).decode() == text()
    assert key == f"private/submissions/files/{record.id}/my-game.yaml"


def test_a_file_that_was_touched_and_says_the_same_is_nothing_new(studio, text):
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    (studio.inbox / "my-game.yaml").unlink()
    studio.drop("my-game.yaml", text())
    assert ingest(studio.desk()).taken == ()
    assert studio.states() == {("my-game.yaml", 1): "planned"}


def test_another_content_is_a_new_version_and_the_old_one_gives_way(any_studio, text):
    any_studio.drop("my-game.yaml", text("a slime"))
    ingest(any_studio.desk())
    any_studio.drop("my-game.yaml", text("a toad"))
    ingest(any_studio.desk())
    assert any_studio.states() == {("my-game.yaml", 1): "superseded", ("my-game.yaml", 2): "planned"}
    old, new = any_studio.only(version=1), any_studio.only(version=2)
    assert old.points_at == new.id
    assert any_studio.store.get(old.manifest.removeprefix("store:")).decode() == text("a slime")


def test_going_back_to_an_older_content_is_a_version_of_its_own(studio, text):
    for prompt in ("a slime", "a toad", "a slime"):
        studio.drop("my-game.yaml", text(prompt))
        ingest(studio.desk())
    states = studio.states()
    assert list(states.values()) == ["superseded", "superseded", "planned"]
    last, first = studio.only(version=3), studio.only(version=1)
    assert last.id == f"{first.id}-2"
    assert slug_of_id(last.id) == slug_of_id(first.id) == "my-game"


def test_the_same_content_under_another_name_is_a_duplicate_with_a_pointer_and_a_page(any_studio, text):
    any_studio.drop("my-game.yaml", text())
    ingest(any_studio.desk())
    any_studio.drop("copy.yaml", text())
    ingest(any_studio.desk())
    copy, first = any_studio.only("copy.yaml"), any_studio.only("my-game.yaml")
    assert (str(copy.state), copy.points_at) == ("duplicate", first.id)
    assert first.id in any_studio.page("copy.yaml.result.html")
    assert [record.id for record in any_studio.desk().due()] == [first.id]


def test_what_repeats_something_that_came_to_nothing_gets_a_chance_of_its_own(studio, text):
    studio.drop("my-game.yaml", text("a slime"))
    ingest(studio.desk())
    studio.drop("my-game.yaml", text("a toad"))  # the slime is superseded
    studio.drop("copy.yaml", text("a slime"))
    ingest(studio.desk())
    assert studio.states()["copy.yaml", 1] == "planned"


def test_a_name_may_say_who_draws_and_is_then_no_duplicate_of_the_others(studio, text):
    studio.drop("my-game.yaml", text())
    studio.drop("my-game.runpod.yaml", text())
    ingest(studio.desk())
    assert studio.only("my-game.yaml").provider is None
    other = studio.only("my-game.runpod.yaml")
    assert other.provider == "runpod"
    assert str(other.state) == "received"
    assert "RUNPOD_COMFYUI_ENDPOINT_ID" in other.trouble


def test_drafts_of_a_table_are_of_the_same_game_as_the_table(studio):
    for name in ("Höhle & Wald.csv", "Höhle & Wald.draft.csv"):
        studio.drop(name, "id,type,prompt\nslime,entity,a slime\n")
    ingest(studio.desk())
    games = {record.plan.game for record in studio.desk().records() if record.plan}
    assert games == {"hoehle-wald"}


def test_names_of_people_have_ids_and_pages(shared_folder, text):
    names = ["Höhle & Wald (neu).yaml", "日本.yaml", "a" * 250 + ".yaml", "%2e%2e.yaml", "-x.yaml", "MY GAME.YML"]
    for number, name in enumerate(names):
        shared_folder.drop(name, text(f"a slime no {number}"))
    done = ingest(shared_folder.desk())
    assert done.trouble == ()
    assert {record.name for record in done.taken} == set(names)
    assert {str(record.state) for record in done.examined} == {"planned"}
    assert all(is_id(record.id) for record in done.taken)
    assert sum(name.endswith(".plan.html") for name in shared_folder.beside()) == len(names)
    assert ingest(shared_folder.desk()).taken == ()


def test_two_inboxes_with_files_of_one_name_do_not_take_turns(shared_folder, text):
    shared_folder.drop("my-game.yaml", text("a slime"))
    own = shared_folder.home / "store/submissions/inbox"
    own.mkdir(parents=True)
    (own / "my-game.yaml").write_text(text("a toad"))
    for _ in range(3):
        ingest(shared_folder.desk())
    assert shared_folder.states() == {("my-game.yaml", 1): "planned"}
    assert sorted(record.inbox for record in shared_folder.desk().records()) == ["folder", "store"]


def test_a_file_that_has_just_changed_waits_and_is_listed_as_waiting(any_studio, text):
    any_studio.ahead_s = 0
    any_studio.drop("my-game.yaml", text())
    done = ingest(any_studio.desk())
    assert (done.taken, [name for name, _ in done.waiting]) == ((), ["my-game.yaml"])
    any_studio.ahead_s = 60
    assert len(ingest(any_studio.desk()).taken) == 1


def test_a_file_that_changes_after_it_was_seen_is_left_for_the_next_ingest(studio, text):
    studio.drop("my-game.yaml", text())
    seen = studio.arrival("my-game.yaml")
    studio.drop("my-game.yaml", text()[:80])  # the upload goes on: so far, half of it
    assert studio.desk().take(seen) is None
    assert studio.states() == {}
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    assert studio.states() == {("my-game.yaml", 1): "planned"}


def test_hidden_and_half_uploaded_files_and_our_own_pages_are_no_submissions(studio, text):
    names = [
        ".my-game.yaml", "my-game.yaml.part", "my-game.yaml.tmp", "my-game.yaml~", "~$my-game.yaml", "Thumbs.db",
        "my-game.yaml.crdownload", "my-game.yaml.errors.html", "my-game.yaml.plan.html", "x.errors.json",
    ]  # fmt: skip
    for name in names:
        studio.drop(name, text())
    (studio.inbox / "folder.yaml").mkdir()
    (studio.inbox / "folder.yaml" / "inner.yaml").write_text(text())
    assert ingest(studio.desk()).taken == ()
    assert studio.beside() == {*names, "folder.yaml"}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    (
        ("notes.txt", b"hello", "its name has to end in"),
        ("my-game.yaml.bak", b"hello", "its name has to end in"),
        ("large.yaml", b"#" * 5_000_001, "5,000,001 bytes"),
        ("new\nline.yaml", b"hello", "control characters"),
    ),
)
def test_a_file_that_is_no_manifest_is_answered_with_a_page_and_holds_up_nobody(shared_folder, text, name, data, words):
    shared_folder.drop(name, data)
    shared_folder.drop("my-game.yaml", text())
    done = ingest(shared_folder.desk())
    assert done.trouble == ()
    assert words in shared_folder.page(f"{name}.errors.html")
    assert shared_folder.states() == {("my-game.yaml", 1): "planned"}


def test_a_name_that_is_no_text_is_answered_and_holds_up_nobody(shared_folder, text):
    shared_folder.drop("my-game.yaml", text())
    broken = os.fsencode(shared_folder.inbox) + b"/caf\xe9.yaml"
    with open(broken, "w") as file:  # noqa: PTH123  a Path prints, and this name cannot be
        file.write(text("a toad"))
    assert ingest(shared_folder.desk()).trouble == ()
    assert shared_folder.states() == {("my-game.yaml", 1): "planned"}
    assert os.path.exists(broken + b".errors.html")  # noqa: PTH110  as above


def test_a_link_is_never_followed(shared_folder, tmp_path, text):
    secret = tmp_path / "secret.yaml"
    secret.write_text(text("a secret"))
    (shared_folder.inbox / "link.yaml").symlink_to(secret)
    (shared_folder.inbox / "nowhere.yaml").symlink_to(tmp_path / "nothing")
    os.mkfifo(shared_folder.inbox / "pipe.yaml")
    assert ingest(shared_folder.desk()).trouble == ()
    assert shared_folder.states() == {}
    assert "no link to it" in shared_folder.page("link.yaml.errors.html")
    store = shared_folder.home / "store"
    assert not [p for p in store.rglob("*") if p.is_file() and b"a secret" in p.read_bytes()]


def test_a_link_that_takes_the_place_of_a_file_after_it_was_seen_is_not_followed(shared_folder, tmp_path, text):
    secret = tmp_path / "secret.yaml"
    secret.write_text(text("a secret"))
    shared_folder.drop("my-game.yaml", text())
    seen = shared_folder.arrival("my-game.yaml")
    (shared_folder.inbox / "my-game.yaml").unlink()
    (shared_folder.inbox / "my-game.yaml").symlink_to(secret)
    assert shared_folder.desk().take(seen) is None
    assert shared_folder.states() == {}


def test_a_page_takes_the_place_of_a_link_and_does_not_write_through_it(shared_folder, tmp_path, wrong):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    shared_folder.drop("my-game.yaml", wrong)
    (shared_folder.inbox / "my-game.yaml.errors.html").symlink_to(victim)
    ingest(shared_folder.desk())
    assert victim.read_text() == "precious"
    assert "crate" in shared_folder.page("my-game.yaml.errors.html")


def test_ids_of_different_files_differ():
    lines = {
        slug_of(inbox, name)
        for inbox in ("store", "folder")
        for name in (
            "a b.yaml",
            "a-b.yaml",
            "a_b.yaml",
            "A-B.yaml",
            "a-b.yml",
            "a-b.csv",
            "ä b.yaml",
            "a-b-12345678.yaml",
        )
    }
    assert len(lines) == 16
    assert slug_of("store", "a-b.yaml") == "a-b"


def test_a_damaged_record_is_told_and_holds_up_nobody_else(studio, text):
    studio.drop("first.yaml", text("a slime"))
    ingest(studio.desk())
    key = f"private/submissions/{studio.only().id}.json"
    studio.store.put(key, b'{"schema_version": 2}', content_type="application/json")
    studio.drop("second.yaml", text("a toad"))
    unreadable = []
    done = ingest(studio.desk())
    assert [record.name for record in studio.desk().records(unreadable=unreadable)] == ["second.yaml"]
    assert len(unreadable) == 1
    assert [record.name for record in done.taken] == ["second.yaml"]
    assert [str(record.state) for record in done.examined] == ["planned"]
    assert any(words.startswith(key) for words in done.trouble)


def test_a_share_that_is_away_holds_up_nobody_who_uses_the_store(shared_folder, text):
    share = shared_folder.inbox
    share.rmdir()
    share.write_text("a file where the folder should be")
    own = shared_folder.home / "store/submissions/inbox"
    own.mkdir(parents=True)
    (own / "my-game.yaml").write_text(text())
    done = ingest(shared_folder.desk())
    assert [record.name for record in done.taken] == ["my-game.yaml"]
    assert [why for _, why in done.waiting if "Not a directory" in why]
