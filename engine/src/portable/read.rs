//! Reading a portable log: nothing comes out that is not verified.

use thiserror::Error;

use super::frame::{Frame, FrameReader, Kind};
use super::layout::{self, Counts, Title};
use super::{Header, Part};
use crate::authority::Principal;
use crate::format::heads::{Head, Heads};
use crate::format::run::{Unchained, VerifiedRun};
use crate::format::wire::DecodeError;
use crate::id::{Dot, ReplicaId, Seq};

/// The reason why bytes are not a portable log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// They begin otherwise.
    #[error("this is not a portable log: it begins with other bytes; name an exported file")]
    NotALog,
    /// They have a format that this build does not know.
    #[error(
        "this portable log has format version {found}, this build reads up to {newest}; upgrade Syncline to read it"
    )]
    UnsupportedVersion {
        /// The version found.
        found: u16,
        /// The newest version that this build reads.
        newest: u16,
    },
    /// They end too early.
    #[error(
        "the portable log ends early at byte {end}: its frame {frame}, from byte {at}, is incomplete; fetch the whole file"
    )]
    Truncated {
        /// How many frames are whole.
        frame: u64,
        /// Where the frame begins that is not.
        at: u64,
        /// How many bytes there are.
        end: u64,
    },
    /// A frame is not what was written.
    #[error(
        "frame {frame} of the portable log, from byte {at}, is damaged: {why}; fetch the file again, or export it again"
    )]
    Damaged {
        /// How many frames stand before it.
        frame: u64,
        /// Its first byte, counted from the file's.
        at: u64,
        /// What is wrong with it.
        why: Fault,
    },
}

/// What is wrong with a frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes have changed, in it or before it.
    #[error("its hash differs")]
    Check,
    /// There is no such kind of frame.
    #[error("there is no frame of kind {0}")]
    Kind(u8),
    /// It would be too long.
    #[error("it would be {length} bytes long, the limit is {max}")]
    Length {
        /// The length announced.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// It stands where no frame of its kind may stand.
    #[error("it is in the wrong place")]
    Order,
    /// Its payload does not read.
    #[error(transparent)]
    Payload(#[from] DecodeError),
    /// A run does not continue the runs before it.
    #[error(transparent)]
    Unchained(#[from] Unchained),
    /// Entries are not in order.
    #[error("{0} is not after the entry before it")]
    Unsorted(Dot),
    /// Claims are not in the order of origins, or the file has no bundle of this one.
    #[error("the claim of {0} is not after the claim before it, or its origin has no bundles")]
    Claim(ReplicaId),
    /// What the file announces and what it holds differ.
    #[error("the file announces {announced} {what} and holds {found}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many were announced.
        announced: u64,
        /// How many there are.
        found: u64,
    },
    /// An origin's bundles end elsewhere than announced.
    #[error("the bundles of {0} end elsewhere than the file's heads say")]
    Heads(ReplicaId),
}

/// Reads a portable log from bytes that come in pieces of any size. Holds one frame, and the heads.
#[derive(Debug)]
pub struct Reader {
    frames: FrameReader,
    stage: Stage,
    /// Per origin how far the runs read so far reach, every hash computed.
    heads: Heads,
    counts: Counts,
    /// The last refusal read.
    refused: Option<Dot>,
    failed: Option<ReadError>,
}

/// What was read, and so what may follow.
#[derive(Debug)]
enum Stage {
    Nothing,
    Heads(Title, Vec<(ReplicaId, Head)>),
    Runs(Header),
    Refusals,
    Claims(Claimed),
    End,
}

/// The claims that were read.
#[derive(Debug, Clone, Copy)]
struct Claimed {
    /// How many there are to be.
    announced: u64,
    found: u64,
    last: ReplicaId,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// At the start of a file.
    pub fn new() -> Self {
        let (frames, heads, counts) = (FrameReader::new(), Heads::new(), Counts::default());
        Self { frames, stage: Stage::Nothing, heads, counts, refused: None, failed: None }
    }

    /// Adds the next bytes of the file. They are kept until [`part`](Self::part) has read them.
    pub fn push(&mut self, bytes: &[u8]) {
        self.frames.push(bytes);
    }

    /// The next part. `None` if it needs more bytes, or if nothing follows.
    ///
    /// # Errors
    /// [`ReadError`]. All later calls return the same error.
    pub fn part(&mut self) -> Result<Option<Part>, ReadError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => self.read().inspect_err(|error| self.failed = Some(error.clone())),
        }
    }

    /// Says that there are no more bytes, and checks that the file is complete.
    ///
    /// # Errors
    /// [`ReadError::Truncated`], or what [`part`](Self::part) has found.
    pub fn finish(&self) -> Result<(), ReadError> {
        match (&self.failed, &self.stage) {
            (Some(error), _) => Err(error.clone()),
            (None, Stage::End) if !self.frames.has_more() => Ok(()),
            (None, Stage::End) => Err(self.frames.place().damaged(Fault::Order)),
            (None, _) => {
                let place = self.frames.place();
                Err(ReadError::Truncated { frame: place.frame, at: place.at, end: self.frames.end() })
            }
        }
    }

    fn read(&mut self) -> Result<Option<Part>, ReadError> {
        loop {
            if let Stage::Heads(title, heads) = &self.stage
                && heads.len() as u64 == title.origins
            {
                let heads = heads.iter().copied().collect();
                let header = Header { space: title.space.clone(), head: title.head, heads };
                self.stage = Stage::Runs(header.clone());
                return Ok(Some(Part::Header(header)));
            }
            if matches!(self.stage, Stage::End) && self.frames.has_more() {
                return Err(self.frames.place().damaged(Fault::Order));
            }
            let Some(frame) = self.frames.next()? else { return Ok(None) };
            if let Some(part) = self.take(&frame).map_err(|why| frame.place.damaged(why))? {
                return Ok(Some(part));
            }
        }
    }

    fn take(&mut self, frame: &Frame) -> Result<Option<Part>, Fault> {
        match (frame.kind, &mut self.stage) {
            (Kind::Header, Stage::Nothing) => {
                self.stage = Stage::Heads(layout::title(&frame.payload)?, Vec::new());
                Ok(None)
            }
            (Kind::Heads, Stage::Heads(title, heads)) => {
                add_heads(title, heads, layout::heads(&frame.payload)?)?;
                Ok(None)
            }
            (Kind::Runs, Stage::Runs(_)) => Ok(Some(Part::Runs(self.runs(frame)?))),
            (Kind::Refusals, Stage::Runs(_) | Stage::Refusals) => {
                self.end_runs()?;
                Ok(Some(Part::Refusals(self.refusals(frame)?)))
            }
            (Kind::Claims, Stage::Runs(_) | Stage::Refusals | Stage::Claims(_)) if self.frames.has_claims() => {
                self.end_runs()?;
                Ok(Some(Part::Claims(self.claims(frame)?)))
            }
            (Kind::End, Stage::Claims(claimed)) => {
                count("claims", claimed.announced, claimed.found)?;
                self.end(frame)
            }
            (Kind::End, Stage::Runs(_) | Stage::Refusals) if !self.frames.has_claims() => {
                self.end_runs()?;
                self.end(frame)
            }
            _ => Err(Fault::Order),
        }
    }

    fn end(&mut self, frame: &Frame) -> Result<Option<Part>, Fault> {
        self.check_counts(layout::counts(&frame.payload)?)?;
        self.stage = Stage::End;
        Ok(Some(Part::End(self.counts.end(frame.check))))
    }

    fn claims(&mut self, frame: &Frame) -> Result<Vec<(ReplicaId, Principal)>, Fault> {
        let (announced, claims) = layout::claims(&frame.payload)?;
        let mut before = if let Stage::Claims(before) = &self.stage { Some(*before) } else { None };
        for (origin, _) in &claims {
            let has_bundles = self.heads.get(*origin).seq > Seq::ZERO;
            if !has_bundles || before.is_some_and(|before| before.last >= *origin) {
                return Err(Fault::Claim(*origin));
            }
            let found = before.map_or(0, |before| before.found) + 1;
            count("claims", before.map_or(announced, |before| before.announced), announced)?;
            before = Some(Claimed { announced, found, last: *origin });
        }
        self.stage = before.map_or(Stage::Refusals, Stage::Claims);
        Ok(claims)
    }

    fn runs(&mut self, frame: &Frame) -> Result<Vec<VerifiedRun>, Fault> {
        let mut appends = Vec::new();
        for run in layout::runs(&frame.payload)? {
            let origin = run.origin();
            let verified = VerifiedRun::verify(run, self.heads.get(origin))?;
            self.heads.set(origin, verified.head());
            self.counts.add(verified.run());
            appends.push(verified);
        }
        Ok(appends)
    }

    /// Once all runs are read: are they what the header has announced?
    fn end_runs(&mut self) -> Result<(), Fault> {
        let Stage::Runs(header) = &self.stage else { return Ok(()) };
        count("bundles", header.head.get(), self.counts.bundles)?;
        let origins = header.heads.iter().chain(self.heads.iter()).map(|(origin, _)| origin);
        let differs = |origin: &ReplicaId| header.heads.get(*origin) != self.heads.get(*origin);
        if let Some(origin) = { origins }.find(differs) {
            return Err(Fault::Heads(origin));
        }
        self.stage = Stage::Refusals;
        Ok(())
    }

    fn refusals(&mut self, frame: &Frame) -> Result<Vec<crate::protocol::RefusedBundle>, Fault> {
        let refusals = layout::refusals(&frame.payload)?;
        for refused in &refusals {
            let dot = Dot { origin: refused.origin, seq: refused.seq };
            let known = dot.seq > Seq::ZERO && dot.seq <= self.heads.get(dot.origin).seq;
            if !known || self.refused.is_some_and(|last| last >= dot) {
                return Err(Fault::Unsorted(dot));
            }
            self.refused = Some(dot);
            self.counts.refusals += 1;
        }
        Ok(refusals)
    }

    fn check_counts(&self, announced: Counts) -> Result<(), Fault> {
        let Counts { bundles, voids, runs, refusals } = self.counts;
        count("bundles", announced.bundles, bundles)?;
        count("voids", announced.voids, voids)?;
        count("runs", announced.runs, runs)?;
        count("refusals", announced.refusals, refusals)
    }
}

fn add_heads(title: &Title, heads: &mut Vec<(ReplicaId, Head)>, entries: Vec<(ReplicaId, Head)>) -> Result<(), Fault> {
    for (origin, head) in entries {
        if heads.last().is_some_and(|(last, _)| *last >= origin) {
            return Err(Fault::Unsorted(Dot { origin, seq: head.seq }));
        }
        heads.push((origin, head));
    }
    let found = heads.len() as u64;
    if found > title.origins { count("origins", title.origins, found) } else { Ok(()) }
}

fn count(what: &'static str, announced: u64, found: u64) -> Result<(), Fault> {
    if announced == found { Ok(()) } else { Err(Fault::Count { what, announced, found }) }
}
