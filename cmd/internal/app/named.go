package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Unread is why a file that was named, by a flag such as --plan, could not be
// read. That it is not there, or is no file, is a mistake of the call.
func Unread(flag string, err error) error {
	err = fmt.Errorf("%s: %w", flag, err)
	if _, is := errors.AsType[*fs.PathError](err); is {
		return Fail(ExitUsage, err)
	}
	return err
}

// There tells why a file that was named, and that something else reads, cannot
// be; a folder of an image is as good as a file.
func There(flag, file string) error {
	if _, err := os.Stat(file); err != nil {
		return Unread(flag, err)
	}
	return nil
}

// Damaged is a file that was named and read, and is not what it should be.
func Damaged(flag string, err error) error {
	return Fail(ExitInvalid, fmt.Errorf("%s: %w", flag, err))
}
