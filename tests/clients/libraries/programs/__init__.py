"""What the tests run on machines and in Pods; a program finds its parts beside it, and nothing of the project."""
