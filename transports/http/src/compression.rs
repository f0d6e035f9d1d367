//! The one content coding: zstd, one frame per body, bounded on both sides.
//!
//! Done by hand instead of by a middleware, so that the bound counts decompressed bytes and holds before anything is allocated.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use zstd::bulk::Compressor;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::get_frame_content_size;

/// The name of the coding in headers.
pub(crate) const ZSTD: &str = "zstd";
/// Bodies below this are sent as they are: compressing them saves less than it costs.
const SHRINK_BYTES_MIN: usize = 256;
/// The fastest of zstd's ordinary levels.
const LEVEL: i32 = 1;
/// Logarithm of the largest window that a frame may ask for: 16 MiB, the power of two above the largest message.
const WINDOW_LOG_MAX: u32 = 24;
/// How much output to make room for at first if a frame does not say how long it is.
const GUESS_BYTES: usize = 64 * 1024;

thread_local! {
    /// A context costs more than a small body. Nothing is awaited while it is borrowed.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECODER: RefCell<Option<Decoder<'static>>> = const { RefCell::new(None) };
}

/// Why a body was not decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecompressError {
    /// It is larger than allowed.
    TooLarge,
    /// It is not zstd, or cut off, or asks for too large a window.
    Malformed,
    /// Anyone who pays for it does not, or not now.
    NotAllowed,
}

/// Compresses a body if that makes it smaller. Says whether it did.
pub(crate) fn compress(body: Vec<u8>) -> (Bytes, bool) {
    if body.len() < SHRINK_BYTES_MIN {
        return (body.into(), false);
    }
    match COMPRESSOR.with_borrow_mut(|kept| compress_with(kept, &body)) {
        Ok(small) if small.len() < body.len() => (small.into(), true),
        _ => (body.into(), false),
    }
}

fn compress_with(kept: &mut Option<Compressor<'static>>, body: &[u8]) -> io::Result<Vec<u8>> {
    let compressor = match kept {
        Some(compressor) => compressor,
        None => kept.insert(Compressor::new(LEVEL)?),
    };
    compressor.compress(body)
}

/// Decompresses a body to at most `max` bytes.
pub(crate) fn decompress(body: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    decompress_if(body, max, |_| true)
}

/// The same, if `allows` agrees to each further number of bytes before it is spent.
pub(crate) fn decompress_if(
    body: &[u8],
    max: usize,
    allows: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, DecompressError> {
    DECODER.with_borrow_mut(|kept| {
        let mut decoder = match kept.take() {
            Some(decoder) => decoder,
            None => new_decoder().map_err(|_| DecompressError::Malformed)?,
        };
        let decompressed = decompress_with(&mut decoder, body, max, allows);
        // A decoder that failed in the middle of a frame starts again.
        if decoder.reinit().is_ok() {
            *kept = Some(decoder);
        }
        decompressed
    })
}

fn new_decoder() -> io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
    Ok(decoder)
}

fn decompress_with(
    decoder: &mut Decoder<'static>,
    body: &[u8],
    max: usize,
    mut allows: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, DecompressError> {
    let announced = get_frame_content_size(body).map_err(|_| DecompressError::Malformed)?;
    let room = match announced {
        Some(bytes) if bytes > max as u64 => return Err(DecompressError::TooLarge),
        Some(bytes) => bytes as usize,
        None => GUESS_BYTES.min(max),
    };
    if !allows(room) {
        return Err(DecompressError::NotAllowed);
    }
    // zstd skips its window buffer if the whole frame lies before it and there is room for all it says.
    let mut out: Vec<u8> = Vec::with_capacity(room);
    let mut input = InBuffer::around(body);
    loop {
        let written = out.len();
        let left = {
            let mut output = OutBuffer::around_pos(&mut out, written);
            decoder.run(&mut input, &mut output).map_err(|_| DecompressError::Malformed)?
        };
        let consumed = input.pos() == body.len();
        if consumed && left == 0 {
            return if out.len() > max { Err(DecompressError::TooLarge) } else { Ok(out) };
        }
        if out.len() < out.capacity() {
            if consumed {
                return Err(DecompressError::Malformed);
            }
            continue;
        }
        if out.len() > max {
            return Err(DecompressError::TooLarge);
        }
        // One byte beyond the bound shows that there is more, and nothing further is made.
        let more = out.len().max(GUESS_BYTES).min(max + 1 - out.len());
        if !allows(more) {
            return Err(DecompressError::NotAllowed);
        }
        out.reserve_exact(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn streamed(body: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL).unwrap();
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_body_comes_back_whether_or_not_its_frame_says_how_long_it_is() {
        for size in [0, 1, 255, 256, 100_000, 1_000_000] {
            let body: Vec<u8> = (0..size).map(|at: u32| (at / 7) as u8).collect();
            let (small, shrunk) = compress(body.clone());
            assert_eq!(shrunk, body.len() >= SHRINK_BYTES_MIN, "{size}");
            if shrunk {
                assert_eq!(decompress(&small, body.len()).as_ref(), Ok(&body), "{size}");
                assert_eq!(decompress(&small, body.len() - 1), Err(DecompressError::TooLarge), "{size}");
                assert_eq!(
                    decompress(&small[..small.len() - 1], body.len()),
                    Err(DecompressError::Malformed),
                    "{size}"
                );
            }
            assert_eq!(decompress(&streamed(&body), body.len()).as_ref(), Ok(&body), "{size}");
            if size > 0 {
                assert_eq!(decompress(&streamed(&body), body.len() - 1), Err(DecompressError::TooLarge), "{size}");
            }
        }
    }

    #[test]
    fn frames_one_behind_the_other_are_one_body() {
        let (one, two) = (vec![1; 300], vec![2; 400]);
        let both = [compress(one.clone()).0, streamed(&two).into()].concat();
        assert_eq!(decompress(&both, 700).unwrap(), [one, two].concat());
        assert_eq!(decompress(&both, 699), Err(DecompressError::TooLarge));
    }

    #[test]
    fn what_does_not_shrink_is_left_as_it_is() {
        let mut noise = vec![0; 1_000];
        getrandom::fill(&mut noise).unwrap();
        assert_eq!(compress(noise.clone()), (noise.into(), false));
    }

    #[test]
    fn garbage_and_large_windows_are_refused_and_the_decoder_lives_on() {
        assert_eq!(decompress(b"", 10), Err(DecompressError::Malformed));
        assert_eq!(decompress(b"not zstd at all", 10), Err(DecompressError::Malformed));
        // A frame of unknown length with a window of 128 MiB.
        assert_eq!(
            decompress(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00], 10),
            Err(DecompressError::Malformed)
        );
        assert_eq!(decompress(&streamed(b"fine"), 10).unwrap(), b"fine");
    }
}
