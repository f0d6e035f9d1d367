//! The pieces of a watch stream, as binary frames or as server-sent events.

use bytes::{Buf, Bytes, BytesMut};
use syncline::format::codec;
use syncline::protocol::{Notice, Problem};

use crate::problem;

/// Bytes of one piece, more than any problem takes.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// Kind and length before each binary frame.
const HEADER_BYTES: usize = 5;

const TICK: u8 = 0;
const NOTICE: u8 = 1;
const PROBLEM: u8 = 2;

/// One piece of a watch stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Nothing has happened; the connection lives.
    Tick,
    /// The log has moved.
    Notice(Notice),
    /// The stream ends, and why.
    End(Problem),
}

/// How a watch stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamForm {
    Events,
    Frames,
}

impl StreamForm {
    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Frames => "application/vnd.syncline.stream.v1",
        }
    }

    /// The form that a media type names, its parameters aside.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        let name = media_type.split(';').next().unwrap_or_default().trim();
        [Self::Events, Self::Frames].into_iter().find(|form| name.eq_ignore_ascii_case(form.media_type()))
    }

    /// Writes one piece.
    pub(crate) fn write(self, frame: &Frame, request_id: &str) -> Bytes {
        let ended = |problem: &Problem| problem::to_json(problem, problem::status(&problem.code), request_id);
        match (self, frame) {
            (Self::Events, Frame::Tick) => Bytes::from_static(b":\n\n"),
            (Self::Events, Frame::Notice(notice)) => {
                event("notice", &serde_json::to_vec(notice).expect("a notice has text keys"))
            }
            (Self::Events, Frame::End(problem)) => event("problem", &ended(problem)),
            (Self::Frames, Frame::Tick) => binary(TICK, &[]),
            (Self::Frames, Frame::Notice(notice)) => binary(NOTICE, &codec::encode(notice)),
            (Self::Frames, Frame::End(problem)) => binary(PROBLEM, &ended(problem)),
        }
    }
}

/// JSON has no raw line breaks, so the data is one line.
fn event(name: &str, json: &[u8]) -> Bytes {
    [b"event: ", name.as_bytes(), b"\ndata: ", json, b"\n\n"].concat().into()
}

fn binary(kind: u8, payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).expect("frames are small");
    [&[kind][..], &length.to_be_bytes(), payload].concat().into()
}

/// Cuts a stream of bytes into its pieces.
#[derive(Debug)]
pub(crate) struct FrameReader {
    form: StreamForm,
    buffer: BytesMut,
    /// Name and data of the event being read.
    event: (Vec<u8>, Vec<u8>),
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub(crate) fn new(form: StreamForm) -> Self {
        Self { form, buffer: BytesMut::new(), event: Default::default() }
    }

    /// Takes bytes as they come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece, `None` if more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, String> {
        let frame = match self.form {
            StreamForm::Frames => self.next_binary(),
            StreamForm::Events => self.next_event(),
        };
        match frame {
            Ok(None) if self.buffer.len() > PIECE_BYTES_MAX => Err(too_large(self.buffer.len())),
            other => other,
        }
    }

    fn next_binary(&mut self) -> Result<Option<Frame>, String> {
        let Some((&[kind, ref length @ ..], rest)) = self.buffer.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > PIECE_BYTES_MAX {
            return Err(too_large(length));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = match kind {
            TICK => Frame::Tick,
            NOTICE => Frame::Notice(codec::decode("notice", payload).map_err(|error| error.to_string())?),
            PROBLEM => Frame::End(problem::from_json(payload).ok_or("the stream ended with an unknown problem")?),
            other => return Err(format!("a frame is of the unknown kind {other}")),
        };
        self.buffer.advance(HEADER_BYTES + length);
        Ok(Some(frame))
    }

    fn next_event(&mut self) -> Result<Option<Frame>, String> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(end + 1);
            let line = line.trim_ascii_end();
            if line.is_empty() {
                let (name, data) = std::mem::take(&mut self.event);
                if let Some(frame) = read_event(&name, &data)? {
                    return Ok(Some(frame));
                }
            } else if line.starts_with(b":") {
                return Ok(Some(Frame::Tick));
            } else if let Some(name) = line.strip_prefix(b"event:") {
                self.event.0 = name.trim_ascii_start().to_vec();
            } else if let Some(data) = line.strip_prefix(b"data:") {
                self.event.1 = data.trim_ascii_start().to_vec();
            }
        }
        Ok(None)
    }
}

fn read_event(name: &[u8], data: &[u8]) -> Result<Option<Frame>, String> {
    match name {
        b"notice" => match serde_json::from_slice(data) {
            Ok(notice) => Ok(Some(Frame::Notice(notice))),
            Err(error) => Err(format!("a notice does not read at column {}", error.column())),
        },
        b"problem" => Ok(Some(Frame::End(problem::from_json(data).ok_or("the stream ended with an unknown problem")?))),
        _ => Ok(None),
    }
}

fn too_large(size: usize) -> String {
    format!("a piece of the stream is {size} bytes large, the limit is {PIECE_BYTES_MAX}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline::protocol::Code;
    use syncline::{Cursor, LogId, Position};

    fn pieces() -> [Frame; 3] {
        let head = Cursor { log: LogId::from_bytes([4; 16]).unwrap(), position: Position::new(300) };
        [
            Frame::Notice(Notice { head }),
            Frame::Tick,
            Frame::End(Problem::new(Code::CursorGone { cursor: head }, "two\nlines")),
        ]
    }

    #[test]
    fn a_stream_cut_anywhere_reads_the_same() {
        for form in [StreamForm::Events, StreamForm::Frames] {
            let stream: Vec<u8> = pieces().iter().flat_map(|piece| form.write(piece, "id")).collect();
            for size in 1..stream.len() {
                let mut reader = FrameReader::new(form);
                let mut read = Vec::new();
                for part in stream.chunks(size) {
                    reader.push(part);
                    while let Some(frame) = reader.next().unwrap() {
                        read.push(frame);
                    }
                }
                assert_eq!(read, pieces(), "{form:?} in parts of {size}");
            }
        }
    }

    #[test]
    fn a_stream_is_written_as_its_golden_files_have_it() {
        let head = |position| Cursor { log: LogId::from_bytes([0x10; 16]).unwrap(), position: Position::new(position) };
        let pieces = [
            Frame::Notice(Notice { head: head(0) }),
            Frame::Tick,
            Frame::Notice(Notice { head: head(300) }),
            Frame::End(Problem::new(Code::Busy { retry_after_ms: 1_500 }, "what to do next")),
        ];
        for (form, name) in [(StreamForm::Frames, "watch.bin"), (StreamForm::Events, "watch.txt")] {
            let stream: Vec<u8> = pieces.iter().flat_map(|piece| form.write(piece, "0123456789abcdef")).collect();
            let file = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(stream, std::fs::read(file).unwrap(), "{name}");
        }
    }

    #[test]
    fn pieces_without_end_or_sense_are_refused() {
        for (form, stream) in [
            (StreamForm::Frames, vec![NOTICE, 0xff, 0xff, 0xff, 0xff]),
            (StreamForm::Frames, vec![9, 0, 0, 0, 0]),
            (StreamForm::Frames, vec![NOTICE, 0, 0, 0, 1, 7]),
            (StreamForm::Events, vec![b'x'; PIECE_BYTES_MAX + 1]),
            (StreamForm::Events, b"event: notice\ndata: 7\n\n".to_vec()),
            (StreamForm::Events, b"event: problem\ndata: {}\n\n".to_vec()),
        ] {
            let mut reader = FrameReader::new(form);
            reader.push(&stream);
            assert!(reader.next().is_err(), "{form:?} {}", stream.len());
        }
    }
}
