//! How a change of accounts fails.

use syncline::authority::accounts::AccountsError;

use crate::error::Fault;

/// Why a change did not happen.
#[derive(Debug)]
pub(super) enum Trouble {
    Refused(AccountsError),
    Fault(Fault),
}

impl From<AccountsError> for Trouble {
    fn from(refusal: AccountsError) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: Into<Fault>> From<E> for Trouble {
    fn from(fault: E) -> Self {
        Self::Fault(fault.into())
    }
}
