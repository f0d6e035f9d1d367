//! What stands in the payloads of frames.

use bytes::Bytes;

use super::{End, Header};
use crate::authority::{Name, Principal};
use crate::format::heads::{ChainHash, Head};
use crate::format::run::Run;
use crate::format::time::NTP64;
use crate::format::wire::{DecodeError, Reader, put_varint};
use crate::id::{Position, ReplicaId, Seq, SpaceId};
use crate::limits::{
    NAME_BYTES_MAX, REFUSAL_CODE_BYTES_MAX, REFUSAL_MESSAGE_BYTES_MAX, RUN_BYTES_MAX, SPACE_BYTES_MAX,
};
use crate::protocol::{Refusal, RefusedBundle};

/// A header without its heads, which follow in frames of their own.
#[derive(Debug, Clone)]
pub(super) struct Title {
    pub(super) space: SpaceId,
    pub(super) head: Position,
    pub(super) origins: u64,
}

/// The counts of the last frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) bundles: u64,
    pub(super) voids: u64,
    pub(super) runs: u64,
    pub(super) refusals: u64,
}

impl Counts {
    pub(super) fn end(self, digest: super::Digest) -> End {
        let Self { bundles, voids, runs, refusals } = self;
        End { bundles, voids, runs, refusals, digest }
    }

    /// Counts one more run.
    pub(super) fn add(&mut self, run: &Run) {
        self.runs += 1;
        self.bundles += run.count();
        self.voids += run.bundles().filter(crate::format::run::Bundle::is_void).count() as u64;
    }
}

pub(super) fn put_title(header: &Header) -> Vec<u8> {
    let mut payload = Vec::new();
    put_bytes(&mut payload, header.space.as_str().as_bytes());
    put_varint(&mut payload, header.head.get());
    put_varint(&mut payload, header.heads.len() as u64);
    payload
}

pub(super) fn title(payload: &[u8]) -> Result<Title, DecodeError> {
    let mut reader = Reader::new("header", payload);
    let name = text(&mut reader, "space name", SPACE_BYTES_MAX)?;
    let space = SpaceId::new(&name).map_err(|_| reader.malformed("the space's name breaks its rule"))?;
    let title = Title { space, head: Position::new(reader.varint()?), origins: reader.varint()? };
    done(&reader, title)
}

pub(crate) fn put_head(origin: ReplicaId, head: Head) -> Vec<u8> {
    let mut entry = origin.to_bytes().to_vec();
    put_varint(&mut entry, head.seq.get());
    entry.extend_from_slice(&head.chain.to_bytes());
    entry.extend_from_slice(&head.time.0.to_be_bytes());
    entry
}

pub(super) fn heads(payload: &[u8]) -> Result<Vec<(ReplicaId, Head)>, DecodeError> {
    entries("heads", payload, head_entry)
}

pub(crate) fn head_entry(reader: &mut Reader<'_>) -> Result<(ReplicaId, Head), DecodeError> {
    let origin = origin(reader)?;
    let seq = Seq::new(reader.varint()?);
    if seq == Seq::ZERO {
        return Err(reader.malformed("bundles count from 1"));
    }
    let chain = ChainHash::from_bytes(reader.array()?);
    Ok((origin, Head { seq, chain, time: NTP64(u64::from_be_bytes(reader.array()?)) }))
}

pub(super) fn put_run(run: &Run) -> Vec<u8> {
    let mut entry = Vec::with_capacity(run.as_bytes().len() + 4);
    put_bytes(&mut entry, run.as_bytes());
    entry
}

/// The runs share the payload's memory.
pub(super) fn runs(payload: &Bytes) -> Result<Vec<Run>, DecodeError> {
    entries("runs", payload, |reader| {
        let length = reader.length("run", RUN_BYTES_MAX)?;
        Run::decode(payload.slice_ref(reader.take(length)?))
    })
}

pub(super) fn put_refusal(refused: &RefusedBundle) -> Vec<u8> {
    let mut entry = refused.origin.to_bytes().to_vec();
    put_varint(&mut entry, refused.seq.get());
    put_bytes(&mut entry, refused.refusal.code.as_bytes());
    put_bytes(&mut entry, refused.refusal.message.as_bytes());
    entry
}

pub(super) fn refusals(payload: &[u8]) -> Result<Vec<RefusedBundle>, DecodeError> {
    entries("refusals", payload, |reader| {
        let (origin, seq) = (origin(reader)?, Seq::new(reader.varint()?));
        let code = text(reader, "refusal code", REFUSAL_CODE_BYTES_MAX)?;
        let message = text(reader, "refusal message", REFUSAL_MESSAGE_BYTES_MAX)?;
        Ok(RefusedBundle { origin, seq, refusal: Refusal { code, message } })
    })
}

pub(super) fn put_claim(origin: ReplicaId, owner: &Principal) -> Vec<u8> {
    let mut entry = origin.to_bytes().to_vec();
    put_bytes(&mut entry, owner.user.as_str().as_bytes());
    put_bytes(&mut entry, owner.device.as_str().as_bytes());
    entry
}

/// A payload of claims says first how many the file has in all.
pub(super) fn put_claims(total: u64, entries: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_varint(&mut payload, total);
    payload.extend_from_slice(entries);
    payload
}

/// How many claims the file has, and some of them.
pub(super) fn claims(payload: &[u8]) -> Result<(u64, Vec<(ReplicaId, Principal)>), DecodeError> {
    let mut reader = Reader::new("claims", payload);
    let total = reader.varint()?;
    let claims = entries("claims", reader.take(reader.remaining())?, |reader| {
        let origin = origin(reader)?;
        let (user, device) = (name(reader)?, name(reader)?);
        Ok((origin, Principal { user, device }))
    })?;
    Ok((total, claims))
}

fn name(reader: &mut Reader<'_>) -> Result<Name, DecodeError> {
    let name = text(reader, "name", NAME_BYTES_MAX)?;
    Name::new(name).map_err(|_| reader.malformed("a name breaks its rule"))
}

pub(super) fn put_counts(counts: Counts) -> Vec<u8> {
    let mut payload = Vec::new();
    for count in [counts.bundles, counts.voids, counts.runs, counts.refusals] {
        put_varint(&mut payload, count);
    }
    payload
}

pub(super) fn counts(payload: &[u8]) -> Result<Counts, DecodeError> {
    let mut reader = Reader::new("end", payload);
    let [bundles, voids, runs, refusals] = [reader.varint()?, reader.varint()?, reader.varint()?, reader.varint()?];
    done(&reader, Counts { bundles, voids, runs, refusals })
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn text(reader: &mut Reader<'_>, what: &'static str, max: usize) -> Result<String, DecodeError> {
    let length = reader.length(what, max)?;
    let bytes = reader.take(length)?.to_vec();
    String::from_utf8(bytes).map_err(|_| reader.malformed("a text is not UTF-8"))
}

fn origin(reader: &mut Reader<'_>) -> Result<ReplicaId, DecodeError> {
    let bytes = reader.array()?;
    ReplicaId::from_bytes(bytes).ok_or_else(|| reader.malformed("the origin is all zero"))
}

/// All entries of a payload, at least one.
fn entries<'a, T>(
    what: &'static str,
    payload: &'a [u8],
    mut entry: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut reader = Reader::new(what, payload);
    let mut all = vec![entry(&mut reader)?];
    while !reader.is_empty() {
        all.push(entry(&mut reader)?);
    }
    Ok(all)
}

fn done<T>(reader: &Reader<'_>, value: T) -> Result<T, DecodeError> {
    if reader.is_empty() { Ok(value) } else { Err(reader.malformed("bytes are left over")) }
}
