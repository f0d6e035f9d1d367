//! Reading and writing attributes, without spelling out events.

use super::{Replica, ReplicaError, View, Written};
use crate::attributes::{Attribute, AttributeRow, Attributes, Op, VALUE_BYTES_MAX, Value, base_of};
use crate::format::time::Stamp;
use crate::format::wire::{DecodeError, check_size};
use crate::store::{RowRange, StoreError};

impl Replica {
    /// The attributes of this replica: (entity, attribute) → value.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchView`] if the replica was composed without [`Attributes`].
    pub fn attributes(&self) -> Result<View<Attributes>, ReplicaError> {
        self.view(Attributes)
    }
}

/// Each change is one bundle. To change several attributes at once, write the events of [`Op`] and [`AttributeRow`] together.
impl View<Attributes> {
    /// The state of an attribute: the empty one if nothing has touched it.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn read(&self, attribute: &Attribute) -> Result<AttributeRow, ReplicaError> {
        Ok(self.get(&attribute.key()).await?.unwrap_or_default())
    }

    /// The attributes of an entity that have a value, by name.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn entity(&self, entity: &str) -> Result<Vec<(Attribute, AttributeRow)>, ReplicaError> {
        self.present(Attributes::entity_range(entity)).await
    }

    /// The attributes within a range that have a value, in the order of entity and name.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn present(&self, range: RowRange) -> Result<Vec<(Attribute, AttributeRow)>, ReplicaError> {
        let rows = self.all(range).await?.into_iter().filter(|(_, row)| row.value().is_some());
        let named = rows.map(|(key, row)| {
            let corrupt = |error: crate::attributes::InvalidAttribute| StoreError::Corrupt {
                backend: "engine",
                at: format!("a row of {}", Attributes::VIEW),
                why: error.to_string(),
            };
            Ok((Attribute::from_key(&key).map_err(corrupt)?, row))
        });
        Ok(named.collect::<Result<_, StoreError>>()?)
    }

    /// Gives an attribute this value.
    ///
    /// # Errors
    /// As [`Replica::write`].
    pub async fn set(&self, attribute: &Attribute, value: impl Into<Value>) -> Result<Written, ReplicaError> {
        self.replica.write(&[Op::set(attribute, sized(value)?)]).await
    }

    /// Takes an attribute away.
    ///
    /// # Errors
    /// As [`Replica::write`].
    pub async fn delete(&self, attribute: &Attribute) -> Result<Written, ReplicaError> {
        self.replica.write(&[Op::delete(attribute)]).await
    }

    /// Adds to a counter, on what this replica has seen of it.
    ///
    /// # Errors
    /// As [`Replica::write`].
    pub async fn add(&self, attribute: &Attribute, delta: i64) -> Result<Written, ReplicaError> {
        let event = Op::Add { base: self.base(attribute).await?, delta }.event(attribute);
        self.replica.write(&[event]).await
    }

    /// Inserts into a set.
    ///
    /// # Errors
    /// As [`Replica::write`].
    pub async fn insert(&self, attribute: &Attribute, element: impl Into<Value>) -> Result<Written, ReplicaError> {
        let event = Op::Insert { base: self.base(attribute).await?, element: sized(element)? }.event(attribute);
        self.replica.write(&[event]).await
    }

    /// Removes from a set, as far as this replica has seen the inserts.
    ///
    /// # Errors
    /// As [`Replica::write`].
    pub async fn remove(&self, attribute: &Attribute, element: impl Into<Value>) -> Result<Written, ReplicaError> {
        let event = self.read(attribute).await?.remove(attribute, element);
        self.replica.write(&[event]).await
    }

    /// The latest set or delete of an attribute. Does not read its elements, which may be many.
    async fn base(&self, attribute: &Attribute) -> Result<Option<Stamp>, ReplicaError> {
        let key = attribute.key();
        let row = self.stored(&key).await?;
        row.map_or(Ok(None), |row| base_of(&row).map_err(|why| self.unreadable(&key, why)))
    }
}

/// A value no larger than allowed: one made from a text without a check may be.
fn sized(value: impl Into<Value>) -> Result<Value, DecodeError> {
    let value = value.into();
    check_size("attribute value", value.as_json().len(), VALUE_BYTES_MAX)?;
    Ok(value)
}
