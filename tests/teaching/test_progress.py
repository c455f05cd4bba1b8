"""The progress file: it is written completely or not at all, and no answer is lost, whatever is wrong with it."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from explorer.errors import WrongUse
from explorer.teaching.progress import LARGEST_FILE, MOST_ANSWERS, NAME, VARIABLE, Progress, ProgressFile, load, parse

GIVEN = Progress().answered('client.predict', 'b', False).answered('client.predict', 'd', True).hinted('client.check')


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'mine.json'


def test_a_written_file_can_be_read_again(path):
    ProgressFile(path).write(GIVEN)
    assert ProgressFile(path).read() == GIVEN
    assert [each.name for each in path.parent.iterdir()] == ['mine.json']


def test_without_a_file_there_is_no_progress_and_no_file_is_made(path):
    keeper = ProgressFile(path)
    assert (keeper.read(), keeper.told(), path.exists()) == (Progress(), '', False)


def test_the_file_is_next_to_the_notebook_unless_another_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert str(ProgressFile().path) == os.path.abspath(NAME)
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'other.json'))
    assert ProgressFile().path == tmp_path / 'other.json'
    assert ProgressFile(tmp_path / 'third.json').path == tmp_path / 'third.json'


def test_two_kernels_that_share_a_file_do_not_overwrite_each_other(path):
    one, other = ProgressFile(path), ProgressFile(path)
    one.change(lambda progress: progress.answered('client.predict', 'a', False))
    other.change(lambda progress: progress.answered('rpc.predict', 'b', True))
    one.change(lambda progress: progress.hinted('rpc.check'))
    assert set(ProgressFile(path).read().answers) == {'client.predict', 'rpc.predict'}
    assert ProgressFile(path).read().hints == {'rpc.check': 1}


def test_a_file_is_never_seen_half_written(path):
    keeper, seen = ProgressFile(path), []
    keeper.write(GIVEN)

    def look():
        seen.extend(parse(path.read_text()) for _ in range(300))

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(100):
        keeper.write(GIVEN)
    thread.join()
    assert seen == [GIVEN] * 300


DAMAGED = [
    '', '{', 'null', '[]', '"text"', '{"schema": 1}', '{"schema": 1, "answers": [], "hints": {}}',
    '{"schema": "1", "answers": {}, "hints": {}}', '{"schema": 1, "answers": {"a": "b"}, "hints": {}}',
    '{"schema": 1, "answers": {"a": [{}]}, "hints": {}}', '{"schema": 1, "answers": {}, "hints": {"a": -1}}',
    '[' * 100_000, '{"schema": 1, "answers": {"a": [{"answer": 1, "right": "yes"}]}, "hints": {}}']


@pytest.mark.parametrize('text', DAMAGED, ids=lambda text: text[:40])
def test_a_damaged_file_is_set_aside_and_reported_once(path, text):
    path.write_text(text)
    keeper = ProgressFile(path)
    assert keeper.read() == Progress()
    line = keeper.told()
    assert '\n' not in line
    assert 'it was renamed to mine.damaged.json, and a new file was started' in line
    assert (path.parent / 'mine.damaged.json').read_text() == text
    keeper.write(GIVEN)
    assert (ProgressFile(path).read(), keeper.told()) == (GIVEN, '')


def test_a_file_that_is_not_text_counts_as_damaged(path):
    path.write_bytes(b'\xff\xfe\x00{')
    keeper = ProgressFile(path)
    assert keeper.read() == Progress()
    assert 'mine.damaged.json' in keeper.told()


def test_a_second_damaged_file_does_not_replace_the_first(path):
    for text in ('one', 'two'):
        path.write_text(text)
        ProgressFile(path).read()
    assert (path.parent / 'mine.damaged.json').read_text() == 'one'
    assert (path.parent / 'mine.damaged1.json').read_text() == 'two'


def test_an_enormous_file_is_set_aside_unread(path):
    path.write_text(' ' * (LARGEST_FILE + 1))
    keeper = ProgressFile(path)
    assert keeper.read() == Progress()
    assert 'too large' in keeper.told()


def test_a_file_of_an_older_version_is_read(path):
    path.write_text('{"answers": {"client.predict": [{"answer": "b", "right": false}]}}')
    keeper = ProgressFile(path)
    assert keeper.read().answers['client.predict'][0]['answer'] == 'b'
    keeper.change(lambda progress: progress.answered('client.predict', 'd', True))
    data = json.loads(path.read_text())
    assert (data['schema'], len(data['answers']['client.predict'])) == (1, 2)


@pytest.mark.parametrize('text', [
    '{"schema": 99, "answers": {"client.predict": []}, "hints": {}}', '{"schema": 2, "entries": []}'])
def test_a_file_of_a_newer_version_stays_unchanged_and_the_lesson_continues_in_memory(path, text):
    path.write_text(text)
    keeper = ProgressFile(path)
    assert keeper.read() == Progress()
    assert 'newer version of the lesson; it is left unchanged' in keeper.told()
    keeper.change(lambda progress: progress.answered('rpc.predict', 'd', True))
    assert keeper.read().answers['rpc.predict']
    assert path.read_text() == text


@pytest.mark.parametrize('where', ['a folder', 'no folder', 'a file as a folder'])
def test_an_unwritable_file_is_reported_once_and_the_lesson_continues_in_memory(tmp_path, where):
    (tmp_path / 'file').write_text('')
    places = {'a folder': tmp_path, 'no folder': tmp_path / 'away/mine.json',
              'a file as a folder': tmp_path / 'file/mine.json'}
    keeper = ProgressFile(places[where])
    keeper.change(lambda progress: progress.answered('client.predict', 'b', False))
    assert 'your answers are kept until the kernel ends' in keeper.told()
    keeper.change(lambda progress: progress.answered('client.predict', 'd', True))
    assert len(keeper.read().answers['client.predict']) == 2
    assert keeper.told() == ''


def test_a_reset_keeps_the_old_file(path):
    keeper = ProgressFile(path)
    assert 'no answers to forget' in keeper.reset()
    keeper.write(GIVEN)
    assert 'mine.old.json' in keeper.reset()
    assert keeper.read() == Progress()
    assert parse((path.parent / 'mine.old.json').read_text()) == GIVEN


def test_after_a_failure_a_reset_tries_the_file_again(tmp_path):
    keeper = ProgressFile(tmp_path / 'away/mine.json')
    keeper.write(GIVEN)
    (tmp_path / 'away').mkdir()
    keeper.reset()
    keeper.write(GIVEN)
    assert ProgressFile(tmp_path / 'away/mine.json').read() == GIVEN


def test_only_an_answered_task_is_done():
    progress = Progress().answered('a.predict', 'b', False).answered('a.look-text', 'b', False)
    progress = progress.answered('a.say', 'so it is', None)
    progress = progress.answered('b.check', {}, None)  # it could not be judged
    done = {key: progress.done(key) for key in ('a.predict', 'a.look-text', 'a.say', 'a.check', 'b.check')}
    assert done == {'a.predict': True, 'a.look-text': False, 'a.say': True, 'a.check': False, 'b.check': False}


def test_an_invalid_progress_is_refused():
    with pytest.raises(WrongUse, match='is not JSON'):
        parse('{')


@pytest.mark.parametrize('kind', ['folder', 'pipe', 'device'])
def test_a_path_that_is_not_a_file_is_neither_opened_nor_moved(path, kind):
    if kind == 'folder':
        path.mkdir()
        (path / 'work.txt').write_text('of somebody')
    elif kind == 'pipe':
        os.mkfifo(path)
    else:
        path.symlink_to('/dev/zero')
    keeper = ProgressFile(path)
    assert keeper.read() == Progress()
    assert 'it is not a file; it is left unchanged; your answers are kept until the kernel ends' in keeper.told()
    keeper.write(GIVEN)
    assert keeper.read() == GIVEN
    assert 'are forgotten' in keeper.reset()
    assert [each.name for each in path.parent.iterdir()] == ['mine.json']


def test_threads_do_not_lose_each_others_answers(path):
    keeper = ProgressFile(path)
    threads = [threading.Thread(target=lambda number=number: [
        keeper.change(lambda progress, each=each: progress.answered(f'{number}.{each}', 'a', True))
        for each in range(20)]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ProgressFile(path).read().answers) == 160


def test_kernels_do_not_lose_each_others_answers(path):
    program = """import sys; from explorer.teaching.progress import ProgressFile
keeper = ProgressFile(sys.argv[1])
for each in range(50):
    keeper.change(lambda progress: progress.answered(f'{sys.argv[2]}.{each}', 'a', True))"""
    root = pathlib.Path(__file__).parents[2]
    running = [subprocess.Popen([sys.executable, '-c', program, str(path), str(number)], cwd=root)
               for number in range(3)]
    assert [each.wait(timeout=120) for each in running] == [0, 0, 0]
    assert len(ProgressFile(path).read().answers) == 150


def test_half_a_character_is_kept(path):
    keeper = ProgressFile(path)
    keeper.change(lambda progress: progress.answered('rpc.say', 'half \ud83d of it', None))
    assert keeper.told() == ''
    assert ProgressFile(path).read().answers['rpc.say'][0]['answer'] == 'half \ud83d of it'


def test_of_many_answers_the_first_and_the_last_are_kept(path):
    progress = Progress()
    for number in range(50):
        progress = progress.answered('a.check', number, False)
    kept = [entry['answer'] for entry in progress.answers['a.check']]
    assert len(kept) == MOST_ANSWERS
    assert (kept[0], kept[-1]) == (0, 49)


def test_answers_that_could_not_be_read_again_are_not_written(path):
    keeper = ProgressFile(path)
    keeper.write(GIVEN)
    keeper.change(lambda progress: progress.answered('a.check', 'x' * LARGEST_FILE, False))
    assert 'would become too large' in keeper.told()
    assert ProgressFile(path).read() == GIVEN


def test_a_file_is_read_after_an_editor_has_changed_its_format(path):
    path.write_bytes(b'\xef\xbb\xbf' + GIVEN.to_json().encode())
    assert ProgressFile(path).read() == GIVEN
    path.write_text('{"schema": 1, "answers": {"a": []}, "hints": {"a": 1e300, "b": 2.0}}')
    assert ProgressFile(path).read() == Progress({}, {'a': 99, 'b': 2})


def test_a_link_is_followed_and_not_replaced(path):
    goal = path.parent / 'elsewhere.json'
    path.symlink_to(goal)
    ProgressFile(path).write(GIVEN)
    assert path.is_symlink()
    assert ProgressFile(goal).read() == GIVEN


def test_a_change_of_the_working_folder_does_not_change_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    keeper = ProgressFile()
    (tmp_path / 'sub').mkdir()
    os.chdir('sub')
    keeper.write(GIVEN)
    assert (tmp_path / NAME).exists()


@pytest.mark.parametrize('path', [5, b'x', ['x']], ids=str)
def test_an_invalid_path_is_reported(path):
    with pytest.raises(WrongUse, match='is not a path'):
        ProgressFile(path)


def test_an_impossible_file_name_is_reported():
    keeper = ProgressFile('a\0b')
    assert keeper.read() == Progress()
    assert 'cannot be read' in keeper.told()


def test_a_reset_and_a_change_do_not_overlap(path):
    """Earlier answers are in the old file and answers given meanwhile in the new one, so nothing is lost."""
    keeper, other = ProgressFile(path), ProgressFile(path)
    keeper.change(lambda progress: progress.answered('a.check', 1, True))
    between = threading.Event()

    def slow(progress):
        between.set()
        time.sleep(0.1)  # the work itself; nothing waits for it
        return progress.answered('b.check', 2, True)
    thread = threading.Thread(target=lambda: other.change(slow))
    thread.start()
    between.wait()
    keeper.reset()
    thread.join()
    assert set(load(path.with_suffix('.old.json')).answers) == {'a.check', 'b.check'}
    assert keeper.read() == Progress()


def test_the_leftovers_of_a_killed_kernel_are_removed(path):
    left, other = path.with_name(f'.{path.name}.4711.part'), path.with_name('.another.json.4711.part')
    for each in (left, other):
        each.write_text('{')
    ProgressFile(path).change(lambda progress: progress.answered('a.check', 1, True))
    assert not left.exists()
    assert other.exists()
