//! Collecting a body's pieces up to a bound.

use bytes::Bytes;

/// Collects pieces. A body that came in one piece is passed on without a copy.
#[derive(Debug)]
pub(crate) struct Gather {
    max: usize,
    /// How long the whole is said to be.
    announced: usize,
    only: Bytes,
    all: Vec<u8>,
}

/// The pieces exceed the bound.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Gather {
    /// At most `max` bytes, of which the sender has `announced` so many. An announcement is not believed before bytes come.
    pub(crate) fn new(max: usize, announced: Option<u64>) -> Self {
        let announced = announced.map_or(0, |bytes| usize::try_from(bytes).map_or(max, |bytes| bytes.min(max)));
        Self { max, announced, only: Bytes::new(), all: Vec::new() }
    }

    /// Takes a piece.
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<(), TooMany> {
        if self.len() + piece.len() > self.max {
            return Err(TooMany);
        }
        if self.len() == 0 {
            self.only = piece;
            return Ok(());
        }
        if !self.only.is_empty() {
            self.all.reserve(self.announced.max(2 * self.only.len()));
            self.all.extend_from_slice(&std::mem::take(&mut self.only));
        }
        self.all.extend_from_slice(&piece);
        Ok(())
    }

    /// How many bytes there are so far.
    pub(crate) fn len(&self) -> usize {
        self.only.len() + self.all.len()
    }

    /// All pieces, in order.
    pub(crate) fn finish(self) -> Bytes {
        if self.all.is_empty() { self.only } else { self.all.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_order_and_one_piece_is_not_copied() {
        let mut gather = Gather::new(10, Some(u64::MAX));
        let piece = Bytes::from_static(b"abc");
        gather.push(piece.clone()).unwrap();
        gather.push(Bytes::new()).unwrap();
        gather.push(Bytes::from_static(b"defg")).unwrap();
        assert_eq!(gather.finish(), "abcdefg");

        let mut gather = Gather::new(3, None);
        gather.push(piece.clone()).unwrap();
        assert_eq!(gather.finish().as_ptr(), piece.as_ptr());
    }

    #[test]
    fn the_first_byte_beyond_the_bound_is_refused() {
        let mut gather = Gather::new(4, None);
        gather.push(Bytes::from_static(b"abc")).unwrap();
        assert!(gather.push(Bytes::from_static(b"de")).is_err());
        gather.push(Bytes::from_static(b"d")).unwrap();
        assert_eq!(gather.finish(), "abcd");
    }
}
