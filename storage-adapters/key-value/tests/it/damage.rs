//! Maps that are damaged behind the backend's back.

use bytes::Bytes;
use futures_executor::block_on;
use syncline::store::{Limit, RowKey, RowRange, RowWrite, WriteBatch};
use syncline::{Cursor, Seq, Storage, StoreError, ViewId};
use syncline_conformance::{Image, space, unpack};

use crate::map::{Disk, Entries};
use crate::script::{self, SPACES, views};

/// Kinds of keys, by their fifth byte, within a space.
const ROW: u8 = 5;

fn filled() -> Entries {
    let disk = Disk::default();
    block_on(script::run(&disk.open()));
    disk.entries()
}

/// All that a map still says in both ways of reading, or the first error.
async fn read_all(disk: &Disk) -> Result<Vec<Image>, StoreError> {
    let storage = disk.try_open()?;
    let mut images = Vec::new();
    for name in SPACES {
        let store = storage.open(&space(name)).await?;
        let status = store.status().await?;
        let page = store.read(Cursor::start(status.log), Limit::PAGE).await?;
        let mut own = Vec::new();
        for (origin, _) in status.heads.iter() {
            own.extend(unpack(&store.read_origin(origin, Seq::ZERO, Limit::PAGE).await?));
        }
        own.sort_by_key(|placed| placed.position);
        let log = unpack(&page.runs);
        assert_eq!(own, log, "both ways of reading show one log");
        let mut rows = Vec::new();
        for view in views() {
            rows.push((view.clone(), store.scan(&view, RowRange::all(), Limit::PAGE).await?));
        }
        images.push(Image { status, log, rows });
    }
    Ok(images)
}

/// Asserts that a damaged map gives an error that says so.
fn assert_noticed(entries: Entries, what: std::fmt::Arguments<'_>) {
    match block_on(read_all(&Disk::with(entries))) {
        Err(StoreError::Corrupt { backend: "map", .. } | StoreError::UnsupportedFormat { .. }) => {}
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: nobody noticed"),
    }
}

#[test]
fn a_flipped_bit_in_any_value_is_noticed() {
    let whole = filled();
    for (key, value) in &whole {
        for bit in 0..8 * value.len() {
            // The version's checksum is not looked at, so that a later version may have another.
            if key[..] == [0; 5] && bit >= 8 * 12 {
                continue;
            }
            let mut flipped = value.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut entries = whole.clone();
            entries.insert(key.clone(), flipped.into());
            assert_noticed(entries, format_args!("bit {bit} of {key:?}"));
        }
    }
}

#[test]
fn a_check_reads_every_value() {
    let whole = filled();
    let checked = |entries| block_on(async { Disk::with(entries).open().check().await });
    assert!(checked(whole.clone()).unwrap().contains("checksums"));
    let rows: Vec<_> = whole.keys().filter(|key| key[4] == ROW).collect();
    assert!(!rows.is_empty());
    // What a storage reads before it opens is refused then. Everything else the check finds.
    for key in whole.keys().filter(|key| key[..4] != [0; 4]) {
        let mut entries = whole.clone();
        let mut flipped = entries[key].to_vec();
        flipped[0] ^= 1;
        entries.insert(key.clone(), flipped.into());
        assert!(matches!(checked(entries), Err(StoreError::Corrupt { .. })), "{key:?}");
    }
}

#[test]
fn a_check_goes_on_from_step_to_step() {
    let large = Bytes::from(vec![7; 700 * 1024]);
    let disk = Disk::default();
    let storage = disk.open();
    let view = ViewId::new("large@1").unwrap();
    let store = block_on(storage.open(&space("notes"))).unwrap();
    for key in ["a", "b", "c", "d", "e"] {
        let row = RowWrite { key: RowKey { view: view.clone(), key: key.into() }, value: Some(large.clone()) };
        block_on(store.commit(WriteBatch { rows: vec![row], ..WriteBatch::default() })).unwrap();
    }
    block_on(storage.check()).unwrap();
    let mut entries = disk.entries();
    let (key, value) = entries.iter().rfind(|(key, _)| key[4] == ROW).unwrap();
    let (key, mut value) = (key.clone(), value.to_vec());
    value[5] ^= 1;
    entries.insert(key, value.into());
    assert!(block_on(Disk::with(entries).open().check()).is_err());
}

#[test]
fn a_value_cut_off_anywhere_is_noticed() {
    let whole = filled();
    for (key, value) in &whole {
        for length in (0..value.len()).filter(|length| key[..] != [0; 5] || *length < 12) {
            let mut entries = whole.clone();
            entries.insert(key.clone(), value.slice(..length));
            assert_noticed(entries, format_args!("{length} bytes of {key:?}"));
        }
    }
}

#[test]
fn a_value_of_another_key_is_noticed() {
    let whole = filled();
    let keys: Vec<_> = whole.keys().filter(|key| key[..] != [0; 5]).collect();
    for pair in keys.windows(2) {
        let mut entries = whole.clone();
        entries.insert(pair[0].clone(), whole[pair[1]].clone());
        assert_noticed(entries, format_args!("{:?} for {:?}", pair[1], pair[0]));
    }
}

#[test]
fn a_lost_key_is_noticed_unless_it_is_a_row() {
    let whole = filled();
    for key in whole.keys().filter(|key| key[..4] == [0; 4] || key[4] != ROW) {
        let mut entries = whole.clone();
        entries.remove(key);
        assert_noticed(entries, format_args!("without {key:?}"));
    }
}

#[test]
fn an_error_says_where_the_damage_is() {
    let whole = filled();
    let at = |key: &[u8]| {
        let mut entries = whole.clone();
        entries.insert(key.to_vec(), Bytes::from("nonsense"));
        block_on(read_all(&Disk::with(entries))).unwrap_err().to_string()
    };
    let space = |rest: &[u8]| [&[0, 0, 0, 1][..], rest].concat();
    let cases = [
        (space(&[1]), "space notes, its status"),
        (space(&[&[2][..], &[1; 16]].concat()), "space notes, a head"),
        (space(&[3, 0, 0, 0, 0, 0, 0, 0, 4]), "space notes, the run that ends at position 4"),
        (space(&[5, 0, 0, 0, 1, b'b']), "space notes, row b\"b\""),
        ([&[0, 0, 0, 0, 1][..], b"notes"].concat(), "the directory of spaces"),
    ];
    for (key, what) in cases {
        let error = at(&key);
        assert!(whole.contains_key(&key) && error.contains(what), "{what}: {error}");
    }
}

#[test]
fn damage_in_one_space_does_not_stop_another() {
    let mut entries = filled();
    entries.insert([0, 0, 0, 1, 1].into(), Bytes::from("nonsense"));
    let storage = Disk::with(entries).open();
    let open = |name| block_on(storage.open(&space(name)));
    assert!(matches!(open(SPACES[0]), Err(StoreError::Corrupt { .. })));
    assert!(open(SPACES[1]).is_ok());
    assert_eq!(block_on(storage.spaces()).unwrap().len(), 2);
}
