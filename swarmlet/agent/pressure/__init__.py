"""What this machine has left, what its Pods use, and which of them goes first when there is too little."""
