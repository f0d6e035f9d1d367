//! Every bound of the format and the protocol, by name. Decoders check them before they allocate.

/// Bytes of one event's payload: 256 KiB.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one bundle's body, event types and framing included: 1 MiB.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Events in one bundle.
pub const BUNDLE_EVENTS_MAX: usize = 10_000;
/// Bytes of one encoded run: 2 MiB. This is enough for a bundle of [`BODY_BYTES_MAX`].
pub const RUN_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes that a bundle takes in a run in addition to its body, a void's digest included; a run's header takes no more.
pub const BUNDLE_FRAMING_BYTES_MAX: usize = 64;
/// Bytes of runs in one page: 8 MiB.
pub const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one message, decompressed: a page and its frame.
pub const FRAME_BYTES_MAX: usize = PAGE_BYTES_MAX + 1024 * 1024;
/// Runs in one page or push.
pub const PAGE_RUNS_MAX: usize = 65_536;
/// Bytes of an event type's name.
pub const EVENT_TYPE_BYTES_MAX: usize = 64;
/// Bytes of a row key.
pub const KEY_BYTES_MAX: usize = 1024;
/// Row keys that one event may touch in one view.
pub const EVENT_KEYS_MAX: usize = 1_024;
/// Bytes of one row as a store keeps it: 4 MiB. A larger row of a projection is kept in pieces of this size.
pub const ROW_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes up to which an own write may let a row grow: 16 MiB. Events of others are folded, whatever size the row gets, because
/// the rows must not depend on the order of arrival.
pub const OWN_ROW_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a space's name.
pub const SPACE_BYTES_MAX: usize = 64;
/// Bytes of a view's name and version.
pub const VIEW_BYTES_MAX: usize = 64;
/// Origins that one device may claim.
pub const CLAIMS_MAX: usize = 4_096;
/// Origins that one refusal of a push names as those of other devices.
pub const FOREIGN_ORIGINS_MAX: usize = 1_024;
/// Origins in one push. Each costs a server more than the bytes of its bundles, and the pushes of others wait meanwhile.
pub const PUSH_ORIGINS_MAX: usize = 1_024;
/// Origins in one heads message, and in a log that takes bundles from peers. A log that has more, because an earlier version did not
/// check this, is served in several messages.
pub const HEADS_MAX: usize = 65_536;
/// Subtrees of heads that one request may ask for.
pub const COMPARE_PARTS_MAX: usize = 1_024;
/// Bytes of the name of a user or a device.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a refusal's code.
pub const REFUSAL_CODE_BYTES_MAX: usize = 64;
/// Bytes of a refusal's message.
pub const REFUSAL_MESSAGE_BYTES_MAX: usize = 1_024;
/// Levels of nesting in a JSON attribute value.
pub const JSON_DEPTH_MAX: usize = 32;
/// Chunks of a snapshot: its rows take 64 GiB at most.
pub const SNAPSHOT_CHUNKS_MAX: usize = 65_536;
/// Bytes of a snapshot's chunk: a byte that says how it is packed, and 1 MiB of rows.
pub const CHUNK_BYTES_MAX: usize = 1 + crate::snapshot::CHUNK_BYTES;
/// Bytes of one row in a snapshot: 64 MiB, four times [`OWN_ROW_BYTES_MAX`]. Whoever checks a snapshot has one in memory. Of rows that hold
/// a larger one no snapshot is made.
pub const SNAPSHOT_ROW_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Views of a snapshot.
pub const SNAPSHOT_VIEWS_MAX: usize = 1_024;
/// Bytes of a snapshot's manifest: 8 MiB, enough for [`HEADS_MAX`] origins and [`SNAPSHOT_CHUNKS_MAX`] chunks.
pub const MANIFEST_BYTES_MAX: usize = PAGE_BYTES_MAX;
/// Bytes of runs in a segment of an archive, before compression: 8 MiB.
pub const SEGMENT_BYTES_MAX: usize = PAGE_BYTES_MAX;
