//! Wire types of the AWS surface, the operation table and the error catalogue.
