import hashlib
import os
from pathlib import Path

from geoships.support import fingerprint
from geoships.support.fingerprint import content_of, file_fingerprints, sampled_hash, settings_fingerprint


def test_a_file_is_known_by_its_content_size_and_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"ships")
    (known,) = file_fingerprints([tmp_path / "a", tmp_path / "a", tmp_path, tmp_path / "none"])
    assert known["path"] == str(tmp_path / "a")
    assert known["bytes"] == 5
    assert known["sha256"] == hashlib.sha256(b"ships").hexdigest()
    assert str(known["modified"]).endswith("+00:00")


def test_of_a_large_file_samples_are_hashed_as_documented(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fingerprint, "WHOLE", 100)
    monkeypatch.setattr(fingerprint, "SAMPLE", 10)
    content = bytes(range(250))
    (tmp_path / "a").write_bytes(content)
    parts = [content[n * 240 // 15 : n * 240 // 15 + 10] for n in range(16)]
    assert (parts[0], parts[-1]) == (content[:10], content[-10:])
    expected = hashlib.sha256(b"250" + b"".join(parts)).hexdigest()
    assert sampled_hash(tmp_path / "a") == expected
    (known,) = file_fingerprints([tmp_path / "a"])
    assert known["sampled_sha256"] == expected
    assert "sha256" not in known


def test_of_very_many_files_the_last_are_not_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fingerprint, "MOST", 2)
    for name in "abc":
        (tmp_path / name).write_text(name)
    assert ["sha256" in known for known in file_fingerprints(sorted(tmp_path.iterdir()))] == [True, True, False]


def test_settings_are_the_same_in_any_order() -> None:
    assert settings_fingerprint({"a": 1, "b": [2]}) == settings_fingerprint({"b": [2], "a": 1})
    assert settings_fingerprint({"a": 1}) != settings_fingerprint({"a": 2})


def test_what_stays_the_same_is_size_and_hash_and_the_time_where_not_all_is_hashed(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a").write_bytes(bytes(200))
    (before,) = file_fingerprints([tmp_path / "a"])
    os.utime(tmp_path / "a", (1, 1))
    (after,) = file_fingerprints([tmp_path / "a"])
    assert before != after
    assert content_of(before) == content_of(after) == {"bytes": 200, "sha256": before["sha256"]}
    monkeypatch.setattr(fingerprint, "WHOLE", 100)
    monkeypatch.setattr(fingerprint, "SAMPLE", 10)
    (sampled,) = file_fingerprints([tmp_path / "a"])
    assert content_of(sampled).keys() == {"bytes", "modified", "sampled_sha256"}
