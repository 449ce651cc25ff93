"""The controllers at work on a fork of the store, in virtual time: what would come of a change."""
