//! Filter expressions (`?filter=`).
