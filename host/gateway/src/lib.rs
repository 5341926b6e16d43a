//! Venues: the simulated exchange, capture playback, and Binance's decoder and local book.
