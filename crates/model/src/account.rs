//! Notices about a platform's account: duties that follow from privacy law or from a revoked authorisation.

use crate::ExternalId;

/// A notice that a platform sends about the account, or about a person whose data it shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountNotice {
    /// The platform's id of the subject: a customer, or the account.
    pub external: ExternalId,
    /// The duty.
    pub duty: Duty,
}

/// A duty that follows from a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duty {
    /// Erases a customer's personal data.
    EraseCustomer,
    /// Reports the personal data that is kept of a customer; a person has to do it.
    ReportCustomer,
    /// Erases the personal data of all customers and employees of the account, which no longer exists.
    EraseAccount,
    /// Stops all calls: the platform revoked the authorisation.
    AccessRevoked,
}

impl Duty {
    /// Every duty.
    pub const ALL: [Self; 4] =
        [Self::EraseCustomer, Self::ReportCustomer, Self::EraseAccount, Self::AccessRevoked];

    /// Returns the name used in conflicts and labels.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::EraseCustomer => "erase_customer",
            Self::ReportCustomer => "report_customer",
            Self::EraseAccount => "erase_account",
            Self::AccessRevoked => "access_revoked",
        }
    }
}
