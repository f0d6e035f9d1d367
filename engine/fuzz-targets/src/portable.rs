//! Exported logs, as bytes and below their hashes.

use std::sync::Arc;

use futures_executor::block_on;
use syncline::format::Heads;
use syncline::portable::{
    End, Exporter, Header, Importer, PORTABLE_VERSION, PORTABLE_VERSION_WITH_CLAIMS, Part, ReadError, Reader,
};
use syncline::{LogId, MemoryStore, Seq, SpaceId};

/// How every exported log begins.
const MAGIC: &[u8] = b"\x89synclog\r\n\x1a\n";
/// The kind of a frame of claims.
const CLAIMS: u8 = 6;

/// A file as it is: however its bytes come in, they say the same, and what is whole is what was announced.
pub fn portable(bytes: &[u8]) {
    check(bytes);
}

/// A file without its beginning and its hashes, which are put in: they would stop almost everything that a fuzzer thinks of. Each
/// frame is a byte of kind, two of length (big-endian), and so many bytes, or as many as there are.
pub fn portable_frames(bytes: &[u8]) {
    check(&sealed(bytes));
}

/// The file that these frames make.
pub fn sealed(mut frames: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&PORTABLE_VERSION.to_be_bytes());
    let mut hasher = blake3::Hasher::new();
    hasher.update(&file);
    let version_at = MAGIC.len()..file.len();
    while let Some(([kind, length @ ..], rest)) = frames.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        let start = file.len();
        file.push(*kind);
        file.extend_from_slice(&(length as u32).to_be_bytes());
        file.extend_from_slice(payload);
        let mut with = hasher.clone();
        with.update(&file[start..]);
        let check = *with.finalize().as_bytes();
        with.update(&check);
        file.extend_from_slice(&check);
        if *kind == CLAIMS {
            // They are not of the log, whose hashes skip them.
            file[version_at.clone()].copy_from_slice(&PORTABLE_VERSION_WITH_CLAIMS.to_be_bytes());
        } else {
            hasher = with;
        }
        frames = rest;
    }
    file
}

/// All that a file says, and how it ends.
#[derive(Debug, PartialEq)]
struct Read {
    parts: Vec<Part>,
    end: Result<(), ReadError>,
}

fn check(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, 1 + bytes.len() % 61);
    assert_eq!(whole, pieces, "a file says the same in pieces of any size");
    if let (Ok(()), [Part::Header(header), parts @ .., Part::End(end)]) = (&whole.end, &whole.parts[..]) {
        check_counts(header, parts, end);
        check_import(header, &whole.parts, end);
    } else {
        assert!(whole.end.is_err(), "a whole file begins with a header and ends with its counts: {whole:?}");
    }
}

fn read(bytes: &[u8], piece: usize) -> Read {
    let (mut reader, mut parts) = (Reader::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.push(piece);
        loop {
            match reader.part() {
                Ok(Some(part)) => parts.push(part),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.part(), Err(error.clone()), "an error stays");
                    assert_eq!(reader.finish(), Err(error.clone()), "an error stays");
                    return Read { parts, end: Err(error) };
                }
            }
        }
    }
    Read { parts, end: reader.finish() }
}

fn check_counts(header: &Header, parts: &[Part], end: &End) {
    let (mut heads, mut bundles, mut runs, mut refusals) = (Heads::new(), 0, 0, 0);
    for part in parts {
        match part {
            Part::Runs(appends) => {
                runs += appends.len() as u64;
                for verified in appends {
                    bundles += verified.run().count();
                    heads.set(verified.run().origin(), verified.head());
                }
            }
            Part::Refusals(told) => refusals += told.len() as u64,
            Part::Claims(claims) => assert!(claims.iter().all(|(origin, _)| header.heads.get(*origin).seq > Seq::ZERO)),
            Part::Header(_) | Part::End(_) => panic!("{part:?} stands in the middle"),
        }
    }
    assert_eq!((&heads, bundles), (&header.heads, header.head.get()));
    assert_eq!((bundles, runs, refusals), (end.bundles, end.runs, end.refusals));
}

/// A whole file can be imported, and what is exported then is a whole file of the same log.
fn check_import(header: &Header, parts: &[Part], end: &End) {
    let log = LogId::from_bytes([9; 16]).expect("not zero");
    let store = Arc::new(MemoryStore::new(log));
    let exported = block_on(async {
        let mut importer = Importer::begin(store.clone(), header.clone()).await.expect("the log is empty");
        for part in parts {
            importer.take(part.clone()).await.expect("what was verified can be imported");
        }
        assert_eq!(importer.finish().await.expect("all was imported").added, end.bundles);
        export(store, header.space.clone()).await
    });
    let again = read(&exported, exported.len());
    assert_eq!((&again.end, again.parts.first()), (&Ok(()), Some(&Part::Header(header.clone()))));
    let Some(Part::End(copied)) = again.parts.last() else { panic!("{again:?} has no end") };
    assert_eq!((copied.bundles, copied.voids, copied.refusals), (end.bundles, end.voids, end.refusals));
}

/// A log as a file.
pub async fn export(store: Arc<MemoryStore>, space: SpaceId) -> Vec<u8> {
    let mut exporter = Exporter::begin(store, space).await.expect("the store is sound");
    let mut file = Vec::new();
    while let Some(frame) = exporter.next().await.expect("the log is sound") {
        file.extend_from_slice(&frame);
    }
    file
}

/// What [`sealed`] takes for this file.
///
/// # Panics
/// If a frame is longer than 64 KiB, or the file is none.
pub fn unsealed(file: &[u8]) -> Vec<u8> {
    let mut rest = file.strip_prefix(MAGIC).and_then(|rest| rest.get(2..)).expect("an exported log");
    let mut frames = Vec::new();
    while let Some(([kind, length @ ..], behind)) = rest.split_first_chunk::<5>() {
        let length = u16::try_from(u32::from_be_bytes(*length)).expect("a short frame");
        frames.push(*kind);
        frames.extend_from_slice(&length.to_be_bytes());
        frames.extend_from_slice(&behind[..usize::from(length)]);
        rest = &behind[usize::from(length) + 32..];
    }
    assert_eq!(sealed(&frames), file, "the hashes are the file's own");
    frames
}
