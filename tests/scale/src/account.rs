//! The accounts that both processes know.

use millrace_auth::NewAccessKey;

#[derive(Clone, Debug)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Its root's.
    pub key: NewAccessKey,
}

impl Account {
    /// The same in every process: there is nothing to protect.
    pub fn of(number: u32) -> Account {
        let mut seed = [3; 40];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        seed[20..24].copy_from_slice(&number.to_le_bytes());
        Account { id: format!("{number:012}"), key: NewAccessKey::generate(&seed) }
    }
}
