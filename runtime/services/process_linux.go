package services

import "golang.org/x/sys/unix"

// openPID is a handle of the process that has the id now.
func openPID(pid int) (fd int, err error) { return unix.PidfdOpen(pid, 0) }

// signalTo sends sig to the process of a handle.
func signalTo(fd int, sig unix.Signal) { _ = unix.PidfdSendSignal(fd, sig, nil, 0) }
