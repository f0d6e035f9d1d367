//! What hashes of 32 bytes have in common: lower-case hex as text, bytes in binary messages.

/// Gives a hash its bytes and its text form.
macro_rules! hash_of_32_bytes {
    ($name:ident, $what:literal) => {
        impl $name {
            /// The hash with these bytes.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The hash's bytes.
            pub fn to_bytes(self) -> [u8; 32] {
                self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&::data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), ::data_encoding::HEXLOWER.encode(&self.0[..6]))
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::format::wire::DecodeError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let bytes = ::data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
                let why = "it takes 64 lower-case hex digits";
                let malformed = $crate::format::wire::DecodeError::Malformed { what: $what, why };
                bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(malformed)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if !deserializer.is_human_readable() {
                    return <[u8; 32]>::deserialize(deserializer).map(Self);
                }
                String::deserialize(deserializer)?.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use hash_of_32_bytes;
