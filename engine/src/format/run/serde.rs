//! Runs in messages: the encoded run as bytes for machines, its bundles spelled out for people.

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Body, Run, build};
use crate::format::heads::BodyDigest;
use crate::format::time::{self, NTP64};
use crate::format::wire::put_varint;
use crate::id::{ReplicaId, Seq};

/// The JSON form of a run.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelled {
    origin: ReplicaId,
    first: Seq,
    /// Hex: start of the chain hash after the last bundle.
    check: String,
    bundles: Vec<SpelledBundle>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpelledBundle {
    #[serde(with = "time::wire")]
    time: NTP64,
    /// Base64 of the body as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    void: Option<SpelledVoid>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpelledVoid {
    bytes: u32,
    /// Hex: BLAKE3 of the body that was refused.
    digest: String,
}

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.bytes);
        }
        let bundles = self.bundles().map(|bundle| {
            let (body, void) = match bundle.body {
                Body::Full(bytes) => (Some(BASE64.encode(bytes)), None),
                Body::Void { bytes, digest } => (None, Some(SpelledVoid { bytes, digest: HEXLOWER.encode(&digest.0) })),
            };
            SpelledBundle { time: bundle.time, body, void }
        });
        let check = HEXLOWER.encode(&self.check());
        Spelled { origin: self.origin, first: self.first, check, bundles: bundles.collect() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let bytes = Spelled::deserialize(deserializer)?.encode().map_err(de::Error::custom)?;
            return Run::decode(bytes.into()).map_err(de::Error::custom);
        }
        deserializer.deserialize_bytes(PackedVisitor)
    }
}

struct PackedVisitor;

impl de::Visitor<'_> for PackedVisitor {
    type Value = Run;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an encoded run")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Run, E> {
        Run::decode(Bytes::copy_from_slice(bytes)).map_err(E::custom)
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Run, E> {
        Run::decode(bytes.into()).map_err(E::custom)
    }
}

impl Spelled {
    /// The packed form; every claim it makes is checked when that is decoded.
    fn encode(&self) -> Result<Vec<u8>, &'static str> {
        let check = hex(&self.check).ok_or("a run's check takes 16 hex digits")?;
        let start = self.bundles.first().ok_or("a run has at least one bundle")?.time;
        let mut bytes = build::header(self.origin, self.first, check, start);
        let mut previous = None;
        for bundle in &self.bundles {
            if let Some(previous) = previous.replace(bundle.time) {
                put_varint(&mut bytes, bundle.time.0.checked_sub(previous.0).ok_or("a run's times rise")?);
            }
            match (&bundle.body, &bundle.void) {
                (Some(body), None) => {
                    let body = BASE64.decode(body.as_bytes()).map_err(|_| "a body is not base64")?;
                    put_varint(&mut bytes, (body.len() as u64) << 1);
                    bytes.extend_from_slice(&body);
                }
                (None, Some(void)) => {
                    put_varint(&mut bytes, u64::from(void.bytes) << 1 | 1);
                    let digest = hex(&void.digest).ok_or("a void's digest takes 64 hex digits")?;
                    bytes.extend_from_slice(&BodyDigest(digest).0);
                }
                _ => return Err("a bundle has either a body or a void"),
            }
        }
        Ok(bytes)
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}
