"""What runs on the inner side: the fork-server and its children. Standard library only; nothing here is trusted to judge."""
