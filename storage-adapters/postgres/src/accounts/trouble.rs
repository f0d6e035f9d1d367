//! How a change of accounts fails.

use syncline::StoreError;
use syncline::authority::accounts::AccountsError;

use crate::error::Fault;

/// Why a change did not happen.
#[derive(Debug)]
pub(super) enum Trouble {
    Refused(AccountsError),
    Fault(Fault),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}
