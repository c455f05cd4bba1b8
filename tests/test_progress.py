"""Answers that are kept: in a file, whole or not at all; and whatever is wrong with it, nothing is lost."""

import json
import threading

import pytest

from explorer.progress import NAME, VARIABLE, Keeper, Progress, parse
from explorer.stations import WrongUse

GIVEN = Progress().answered('client.predict', 'b', False).answered('client.predict', 'd', True).hinted('client.check')


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'mine.json'


def test_what_is_written_is_read_again(path):
    Keeper(path).write(GIVEN)
    assert Keeper(path).read() == GIVEN
    assert [each.name for each in path.parent.iterdir()] == ['mine.json']


def test_without_a_file_there_is_nothing_yet_and_none_is_made(path):
    keeper = Keeper(path)
    assert (keeper.read(), keeper.told(), path.exists()) == (Progress(), '', False)


def test_the_file_is_beside_the_notebook_unless_it_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert str(Keeper().path) == NAME
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'other.json'))
    assert Keeper().path == tmp_path / 'other.json'
    assert Keeper(tmp_path / 'third.json').path == tmp_path / 'third.json'


def test_two_who_share_a_file_do_not_write_over_each_other(path):
    one, other = Keeper(path), Keeper(path)
    one.change(lambda progress: progress.answered('client.predict', 'a', False))
    other.change(lambda progress: progress.answered('rpc.predict', 'b', True))
    one.change(lambda progress: progress.hinted('rpc.check'))
    assert set(Keeper(path).read().answers) == {'client.predict', 'rpc.predict'}
    assert Keeper(path).read().hints == {'rpc.check': 1}


def test_a_file_is_never_seen_half_written(path):
    keeper, seen = Keeper(path), []
    keeper.write(GIVEN)

    def look():
        for _ in range(300):
            seen.append(parse(path.read_text())[0])

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(100):
        keeper.write(GIVEN)
    thread.join()
    assert seen == [GIVEN] * 300


DAMAGED = ['', '{', 'null', '[]', '"text"', '{"schema": 1}', '{"schema": 1, "answers": [], "hints": {}}', '{"schema": "1", "answers": {}, "hints": {}}',
           '{"schema": 1, "answers": {"a": "b"}, "hints": {}}', '{"schema": 1, "answers": {"a": [{}]}, "hints": {}}',
           '{"schema": 1, "answers": {}, "hints": {"a": -1}}', '[' * 100_000, '{"schema": 1, "answers": {"a": [{"answer": 1, "right": "yes"}]}, "hints": {}}']


@pytest.mark.parametrize('text', DAMAGED, ids=lambda text: text[:40])
def test_a_damaged_file_is_kept_beside_a_new_one_and_told_once(path, text):
    path.write_text(text)
    keeper = Keeper(path)
    assert keeper.read() == Progress()
    line = keeper.told()
    assert '\n' not in line
    assert 'it is kept as mine.damaged.json, and a new one was begun' in line
    assert (path.parent / 'mine.damaged.json').read_text() == text
    keeper.write(GIVEN)
    assert (Keeper(path).read(), keeper.told()) == (GIVEN, '')


def test_what_is_no_text_is_damaged_too(path):
    path.write_bytes(b'\xff\xfe\x00{')
    keeper = Keeper(path)
    assert keeper.read() == Progress()
    assert 'mine.damaged.json' in keeper.told()


def test_a_second_damaged_file_does_not_take_the_place_of_the_first(path):
    for text in ('one', 'two'):
        path.write_text(text)
        Keeper(path).read()
    assert (path.parent / 'mine.damaged.json').read_text() == 'one'
    assert (path.parent / 'mine.damaged1.json').read_text() == 'two'


def test_an_enormous_file_is_set_aside_unread(path):
    path.write_text(' ' * 5_000_001)
    keeper = Keeper(path)
    assert keeper.read() == Progress()
    assert 'too large' in keeper.told()


def test_a_file_of_an_older_version_is_taken_over(path):
    path.write_text('{"answers": {"client.predict": [{"answer": "b", "right": false}]}}')
    keeper = Keeper(path)
    assert keeper.read().answers['client.predict'][0]['answer'] == 'b'
    keeper.change(lambda progress: progress.answered('client.predict', 'd', True))
    data = json.loads(path.read_text())
    assert (data['schema'], len(data['answers']['client.predict'])) == (1, 2)


def test_a_file_of_a_newer_version_is_left_as_it_is_and_one_goes_on_in_memory(path):
    text = '{"schema": 99, "answers": {"client.predict": [{"answer": "b", "right": false}]}, "hints": {}, "more": 1}'
    path.write_text(text)
    keeper = Keeper(path)
    assert keeper.read().answers
    assert 'newer version' in keeper.told()
    keeper.change(lambda progress: progress.answered('rpc.predict', 'd', True))
    assert keeper.read().answers['rpc.predict']
    assert path.read_text() == text


@pytest.mark.parametrize('where', ['a folder', 'no folder', 'a file as a folder'])
def test_where_nothing_can_be_written_one_goes_on_in_memory_and_is_told_once(tmp_path, where):
    (tmp_path / 'file').write_text('')
    path = {'a folder': tmp_path, 'no folder': tmp_path / 'away/mine.json', 'a file as a folder': tmp_path / 'file/mine.json'}[where]
    keeper = Keeper(path)
    keeper.change(lambda progress: progress.answered('client.predict', 'b', False))
    assert 'your answers are kept until the kernel ends' in keeper.told()
    keeper.change(lambda progress: progress.answered('client.predict', 'd', True))
    assert len(keeper.read().answers['client.predict']) == 2
    assert keeper.told() == ''


def test_to_begin_anew_keeps_the_old_file(path):
    keeper = Keeper(path)
    assert 'nothing to forget' in keeper.reset()
    keeper.write(GIVEN)
    assert 'mine.old.json' in keeper.reset()
    assert keeper.read() == Progress()
    assert parse((path.parent / 'mine.old.json').read_text())[0] == GIVEN


def test_after_a_failure_to_begin_anew_tries_the_file_again(tmp_path):
    keeper = Keeper(tmp_path / 'away/mine.json')
    keeper.write(GIVEN)
    (tmp_path / 'away').mkdir()
    keeper.reset()
    keeper.write(GIVEN)
    assert Keeper(tmp_path / 'away/mine.json').read() == GIVEN


def test_what_is_behind_one():
    progress = Progress().answered('a.predict', 'b', False).answered('a.look-text', 'b', False).answered('a.say', 'so it is', None)
    assert [progress.done(key) for key in ('a.predict', 'a.look-text', 'a.say', 'a.check')] == [True, False, True, False]


def test_what_is_no_progress_is_refused():
    with pytest.raises(WrongUse, match='no JSON'):
        parse('{')
