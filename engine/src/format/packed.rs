//! Bytes that are compressed if that makes them fewer: a byte that says how, and then the bytes.

use bytes::Bytes;

/// The first byte if the others follow as they are.
const PLAIN: u8 = 0;
/// The first byte if the others follow as one block of LZ4.
const LZ4: u8 = 1;

/// Compresses bytes. The result has one byte more than they, at most.
pub(crate) fn pack(plain: &[u8]) -> Vec<u8> {
    let mut packed = vec![LZ4];
    packed.resize(1 + lz4_flex::block::get_maximum_output_size(plain.len()), 0);
    let count = lz4_flex::block::compress_into(plain, &mut packed[1..]).expect("there is room for the worst case");
    if count < plain.len() {
        packed.truncate(1 + count);
    } else {
        packed.clear();
        packed.push(PLAIN);
        packed.extend_from_slice(plain);
    }
    packed
}

/// The bytes that were packed, which must be `count` many. Nothing larger is allocated, whatever `packed` says.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn unpack(packed: &Bytes, count: usize) -> Result<Bytes, &'static str> {
    let plain = match packed.first() {
        Some(&PLAIN) => packed.slice(1..),
        Some(&LZ4) => {
            let mut plain = vec![0; count];
            let found = lz4_flex::block::decompress_into(&packed[1..], &mut plain).map_err(|_| "it does not unpack")?;
            plain.truncate(found);
            plain.into()
        }
        _ => return Err("it is packed in a way that this build does not know"),
    };
    if plain.len() == count { Ok(plain) } else { Err("it unpacks to another length than was announced") }
}
