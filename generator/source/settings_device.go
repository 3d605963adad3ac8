package source

// deviceField names what the tests of an image need of their machine.
var deviceField = field[description]{key: "needs_device",
	doc: "What the tests need of their machine, for example `gpu`: they run in a job of their own on a class of machines whose `devices` has it. " +
		"Without such a class the image stays untested, and is not published: docs/guide/devices.md.",
	shape: deviceName,
	set:   func(d *description, v value) { d.model.NeedsDevice = v.text },
}
